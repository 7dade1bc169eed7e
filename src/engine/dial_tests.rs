//! The rule on peers that answer one transport, both or none.

use super::*;
