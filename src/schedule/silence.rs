//! Peers that owe blocks and give nothing, and pieces that are whole and get no verdict.

use std::time::Duration;

use super::peer::Ask;
use super::picker::{Command, Picker};

/// A peer that gives nothing for this long is dropped.
const DROP: Duration = Duration::from_secs(20);
/// A piece without a verdict for this long after its last block is fetched again.
const NO_VERDICT: Duration = Duration::from_secs(15);

impl Picker {
    pub(super) fn work_around_silence(&mut self, now: Duration) {
        let mut returned = Vec::new();
        for (id, peer) in &mut self.peers {
            peer.forgive(now);
            if peer.dropped {
                continue;
            }
            if peer.choked && peer.is_stalled(now) {
                // It should have said what becomes of them, but may choke as long as it likes.
                let asks = peer.forget_all();
                let cancel = |ask: &Ask| Command::Cancel { peer: *id, piece: ask.piece, block: ask.block };
                self.commands.extend(asks.iter().map(cancel));
                returned.push((*id, asks));
            } else if peer.silence(now) > DROP {
                peer.dropped = true;
                self.commands.push(Command::Drop(*id));
                returned.push((*id, peer.forget_all()));
            } else {
                // It answers, but not these: a choke that said nothing of them, or a peer that wants to be waited for.
                let mut asks = peer.passed_over(now);
                if peer.is_stalled(now) {
                    // Others may take its blocks; one stays asked, so that the peer can show that it lives.
                    let rest = peer.asks().iter().filter(|ask| !asks.contains(ask)).skip(1);
                    asks.extend(rest.copied().collect::<Vec<_>>());
                }
                for ask in &asks {
                    peer.recall(ask.piece, ask.block, now);
                    self.commands.push(Command::Cancel { peer: *id, piece: ask.piece, block: ask.block });
                }
                if !asks.is_empty() {
                    returned.push((*id, asks));
                }
            }
        }
        for (id, asks) in returned {
            self.give_back(id, asks);
            self.release_from_duty(id);
        }
        self.give_up_doubts(now);
        if let Some(board) = &mut self.board {
            board.forget_undecided(now, NO_VERDICT);
        }
    }
}
