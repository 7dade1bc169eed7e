//! Every order in which the threads can meet, for each way of waiting in the engine.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;

use vozduxan_models::abi::gate::Gate;
use vozduxan_models::engine::Error;
use vozduxan_models::engine::availability::Availability;
use vozduxan_models::engine::calls::Calls;
use vozduxan_models::engine::ending::Ending;
use vozduxan_models::engine::mailbox::Mailbox;
use vozduxan_models::engine::nudge::Nudge;
use vozduxan_models::engine::waiter::{Promise, Waiter};
use vozduxan_models::schedule::bits::Bits;
use vozduxan_models::schedule::layout::Layout;

#[test]
fn a_reader_hears_of_its_piece_whenever_it_comes() {
    loom::model(|| {
        let layout = Layout::new(10, 20).expect("a torrent");
        let pieces = Arc::new(Availability::new(layout, Bits::none(2)));
        let engine = {
            let pieces = Arc::clone(&pieces);
            thread::spawn(move || {
                pieces.insert(0);
                pieces.insert(1);
            })
        };
        loom::future::block_on(pieces.readable(15));
        assert!(pieces.has(&(10..20)));
        engine.join().expect("joined");
    });
}

#[test]
fn pieces_that_are_taken_back_and_come_again_are_heard_of() {
    loom::model(|| {
        let layout = Layout::new(10, 10).expect("a torrent");
        let pieces = Arc::new(Availability::new(layout, Bits::none(1)));
        let engine = {
            let pieces = Arc::clone(&pieces);
            thread::spawn(move || {
                pieces.replace(Bits::none(1));
                pieces.insert(0);
            })
        };
        loom::future::block_on(pieces.readable(0));
        engine.join().expect("joined");
        assert_eq!(pieces.generation(), 1);
    });
}

/// A transfer that waits for data is cut by a seek and by the end of its stream at once.
#[test]
fn who_waits_for_the_end_hears_of_it_whenever_it_comes() {
    loom::model(|| {
        let (ending, left_behind) = (Arc::new(Ending::default()), Arc::new(AtomicBool::new(false)));
        let ender = {
            let (ending, left_behind) = (Arc::clone(&ending), Arc::clone(&left_behind));
            thread::spawn(move || {
                left_behind.store(true, Ordering::Relaxed);
                ending.end(1);
                ending.end(2);
            })
        };
        assert_eq!(loom::future::block_on(ending.until()), 1);
        assert!(left_behind.load(Ordering::Relaxed), "what came before the end is seen after it");
        ender.join().expect("joined");
    });
}

#[test]
fn of_two_ends_the_first_one_counts() {
    loom::model(|| {
        let ending = Arc::new(Ending::default());
        let other = {
            let ending = Arc::clone(&ending);
            thread::spawn(move || {
                ending.end(2);
                ending.reason()
            })
        };
        ending.end(1);
        let reason = ending.reason();
        assert!(reason.is_some());
        assert_eq!(other.join().expect("joined"), reason);
    });
}

#[test]
fn a_caller_gets_its_answer_or_hears_that_there_is_none() {
    for answers in [true, false] {
        loom::model(move || {
            let waiter = Waiter::new("connecting");
            let promise = Promise::new(&waiter);
            let engine = thread::spawn(move || {
                promise.tell(0.5, || "half".into());
                if answers {
                    promise.finish(Ok(7));
                }
                drop(promise);
            });
            let result = waiter.wait(&mut |share, _| assert!((0.0..=1.0).contains(&share)));
            assert_eq!(result == Ok(7), answers, "{result:?}");
            assert!(answers || matches!(result, Err(Error::Internal(_))));
            engine.join().expect("joined");
        });
    }
}

#[test]
fn every_letter_is_taken_once_or_given_back() {
    loom::model(|| {
        let mailbox = Arc::new(Mailbox::default());
        let senders: Vec<_> = (0..2u32)
            .map(|name| {
                let mailbox = Arc::clone(&mailbox);
                thread::spawn(move || mailbox.push(name).err())
            })
            .collect();
        let mut seen = mailbox.take();
        seen.extend(mailbox.close());
        seen.extend(senders.into_iter().filter_map(|sender| sender.join().expect("joined")));
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
        assert!(mailbox.take().is_empty());
    });
}

#[test]
fn a_listener_that_is_nudged_sees_the_last_change() {
    loom::model(|| {
        let (nudge, value) = (Arc::new(Nudge::default()), Arc::new(AtomicU64::new(0)));
        let mailbox = Arc::new(Mailbox::default());
        let host = {
            let (nudge, value, mailbox) = (Arc::clone(&nudge), Arc::clone(&value), Arc::clone(&mailbox));
            thread::spawn(move || {
                for position in 1..=2 {
                    value.store(position, Ordering::Relaxed);
                    if nudge.raise() {
                        mailbox.push(()).expect("open");
                    }
                }
            })
        };
        let mut seen = 0;
        let mut listen = || {
            if !mailbox.take().is_empty() {
                nudge.look();
                seen = value.load(Ordering::Relaxed);
            }
        };
        listen();
        host.join().expect("joined");
        // Whatever is still to be told is in the mailbox now.
        listen();
        assert_eq!(seen, 2);
    });
}

#[test]
fn the_end_waits_for_every_caller() {
    loom::model(|| {
        let (calls, done) = (Arc::new(Calls::default()), Arc::new(AtomicBool::new(false)));
        let (inside, entered) = loom::sync::mpsc::channel();
        let caller = {
            let (calls, done) = (Arc::clone(&calls), Arc::clone(&done));
            thread::spawn(move || {
                let _inside = calls.enter();
                inside.send(()).expect("somebody listens");
                done.store(true, Ordering::Relaxed);
            })
        };
        entered.recv().expect("the caller came in");
        assert!(calls.wait_until_empty(std::time::Duration::MAX));
        assert!(done.load(Ordering::Relaxed));
        caller.join().expect("joined");
    });
}

#[test]
fn no_callback_of_a_host_runs_after_its_gate_is_closed() {
    loom::model(|| {
        let (gate, freed) = (Arc::new(Gate::default()), Arc::new(AtomicBool::new(false)));
        let caller = {
            let (gate, freed) = (Arc::clone(&gate), Arc::clone(&freed));
            thread::spawn(move || {
                gate.pass(|| assert!(!freed.load(Ordering::Relaxed), "called after the end"));
            })
        };
        gate.close();
        freed.store(true, Ordering::Relaxed);
        caller.join().expect("joined");
    });
}
