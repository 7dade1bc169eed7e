//! What the rules decided, as the bridge sends it.

use crate::bridge;
use crate::schedule::deadlines::Order;
use crate::schedule::layout::BLOCK_LEN;
use crate::schedule::peer::PeerId;
use crate::schedule::picker::Command;

use super::input::Meta;

/// A deadline as the bridge tells it.
pub fn order(order: &Order) -> bridge::PieceOrder {
    bridge::PieceOrder {
        piece: order.piece,
        priority: order.priority,
        deadline_ms: order.deadline_ms.unwrap_or(-1),
        release: order.release,
    }
}

/// A picker's command as the bridge sends it.
pub fn wire(command: &Command, meta: Option<&Meta>) -> Option<bridge::Command> {
    let layout = &meta?.layout;
    let message = |kind, peer: &PeerId, piece: u32, block: u32| bridge::Command {
        kind,
        peer: peer.0,
        piece,
        offset: block * BLOCK_LEN,
        length: layout.block_len(piece, block),
    };
    Some(match command {
        Command::Request { peer, piece, block } => {
            message(bridge::CommandKind::Request, peer, *piece, *block)
        }
        Command::Cancel { peer, piece, block } => message(bridge::CommandKind::Cancel, peer, *piece, *block),
        Command::Drop(peer) => message(bridge::CommandKind::Disconnect, peer, 0, 0),
    })
}
