//! File types and header facts.
