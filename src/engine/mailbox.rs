//! A queue from many threads to one that takes everything at once, and ends.

use crate::sync::Mutex;

/// See the module.
pub struct Mailbox<T> {
    queue: Mutex<Queue<T>>,
}

struct Queue<T> {
    letters: Vec<T>,
    closed: bool,
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self { queue: Mutex::new(Queue { letters: Vec::new(), closed: false }) }
    }
}

impl<T> Mailbox<T> {
    /// Adds one.
    ///
    /// # Errors
    /// Gives it back when the queue has ended: whoever waits for an answer has to be told by the caller.
    pub fn push(&self, letter: T) -> Result<(), T> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(letter);
        }
        queue.letters.push(letter);
        Ok(())
    }

    /// Takes everything, in order.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut self.queue.lock().letters)
    }

    /// Ends the queue; what is left of it. Each letter is taken once: by `take`, here, or given back by `push`.
    pub fn close(&self) -> Vec<T> {
        let mut queue = self.queue.lock();
        queue.closed = true;
        std::mem::take(&mut queue.letters)
    }
}
