//! What the picker is told and what it answers.

use super::peer::PeerId;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The transport is connected, the handshake is under way.
    Expected(PeerId),
    /// The handshake is done.
    Connected(PeerId),
    /// The peer speaks BEP 6 (Fast Extension): it answers every request with its block or a rejection, choking or not.
    AnswersAll(PeerId),
    /// The connection ended.
    Gone(PeerId),
    /// The peer queues this many requests.
    Queue(PeerId, u32),
    /// CHOKE.
    Choked(PeerId),
    /// UNCHOKE.
    Unchoked(PeerId),
    /// HAVE ALL.
    HasAll(PeerId),
    /// BITFIELD, in wire order; empty for HAVE NONE.
    HasBits(PeerId, Vec<u8>),
    /// HAVE.
    Has(PeerId, u32),
    /// A block arrived.
    Block {
        /// From whom.
        peer: PeerId,
        /// Piece number.
        piece: u32,
        /// Block number within the piece.
        block: u32,
        /// Bytes.
        len: u32,
    },
    /// The peer refuses a block.
    Rejected {
        /// Who.
        peer: PeerId,
        /// Piece number.
        piece: u32,
        /// Block number within the piece.
        block: u32,
    },
    /// The hash was right.
    Passed(u32),
    /// The hash was wrong, and nothing is known but that.
    Failed(u32),
}

/// What is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// REQUEST.
    Request {
        /// To whom.
        peer: PeerId,
        /// Piece number.
        piece: u32,
        /// Block number within the piece.
        block: u32,
    },
    /// CANCEL.
    Cancel {
        /// To whom.
        peer: PeerId,
        /// Piece number.
        piece: u32,
        /// Block number within the piece.
        block: u32,
    },
    /// End the connection: the peer is silent or sends wrong data.
    Drop(PeerId),
}
