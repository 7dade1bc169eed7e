//! The log's lines about streams, peers and pieces.

use std::time::Duration;

use crate::bridge::{Event, EventKind};
use crate::log::Logger;
use crate::log_info;

use super::event_loop::Engine;
use super::listener::Note;
use super::prepare::human;

impl Engine {
    /// Logs what listeners went through. Who stalls needs more peers: they are sought at once.
    pub(super) fn tell(&mut self, id: u32, now: Duration) {
        let Some(torrent) = self.torrents.get_mut(&id) else { return };
        let key = torrent.key();
        let (peers, unchoked) = torrent.picker.peers();
        let rate = human(torrent.meter.rate(now));
        for listener in &mut torrent.listeners {
            let file = listener.stream.file.0;
            match listener.note(now) {
                None => {}
                Some(Note::Sought(byte)) => {
                    log_info!(self.log, "stream sought: file {file} of {key} to byte {byte}")
                }
                Some(Note::Stalled(byte)) => {
                    log_info!(
                        self.log,
                        "stream stalled: file {file} of {key} at byte {byte}: {peers} peers, {unchoked} of them serve us, {rate}/s; looking for more"
                    );
                    self.bridge.announce(id);
                }
                Some(Note::Resumed(after)) => {
                    log_info!(
                        self.log,
                        "stream resumed: file {file} of {key} after {} ms",
                        after.as_millis()
                    );
                }
            }
        }
    }
}

/// The verbose log's lines about peers and pieces.
pub fn narrate(log: &Logger, event: &Event) {
    let (peer, piece) = (event.peer, event.piece);
    match event.kind {
        EventKind::PeerNew => {
            let how = match event.offset {
                0 => "came to us",
                1 => "by TCP",
                _ => "by uTP",
            };
            log_info!(log, "peer {peer}: {} {how}", event.text);
        }
        EventKind::PeerReady => log_info!(log, "peer {peer}: connected"),
        EventKind::PeerUnchoke => log_info!(log, "peer {peer}: serves us"),
        EventKind::PeerChoke => log_info!(log, "peer {peer}: does not serve us"),
        EventKind::PeerGone => log_info!(log, "peer {peer}: gone, {}", event.text),
        EventKind::PiecePassed => log_info!(log, "piece {piece}: right"),
        EventKind::PieceFailed => log_info!(log, "piece {piece}: wrong"),
        EventKind::TrackerReply => log_info!(log, "tracker {}: {} peers", event.text, event.offset),
        EventKind::TrackerError => log_info!(log, "tracker {}", event.text),
        _ => {}
    }
}
