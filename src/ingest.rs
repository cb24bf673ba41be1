//! Takes executions in: many requests become one transaction, and each is answered once that is durable.
//!
//! Nothing is accepted before it is on disk, nothing is counted twice, and a full queue says so.

mod group;

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use group::Groups;

use crate::domain::execution::Execution;
use crate::job::Context;
use crate::store;

/// Rows that may wait: about 40 MB, a third of a second's work.
const ROWS_WAITING_MAX: usize = 50_000;
/// Transactions that PostgreSQL is given at a time: while one adds up and commits, the other inserts. SQLite has one
/// writer.
const TRANSACTIONS: usize = 2;
/// Rows of a transaction, beyond which waiting together saves no more.
const ROWS_PER_GROUP: usize = 10_000;

/// What became of accepted rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// New, and durable.
    pub accepted: usize,
    /// There before, or twice in the request.
    pub duplicates: usize,
}

/// Why rows were not taken. The sender keeps them and sends them again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many wait already.
    #[error("too many executions wait; send them again in a second")]
    Full,
    /// The store does not take them now.
    #[error("the database does not take them now; send them again soon")]
    Unavailable,
    /// The store will not take them.
    #[error("the database refused them; the log says why")]
    Failed,
    /// The daemon is about to end.
    #[error("the daemon is stopping; send them again soon")]
    Stopping,
}

/// Rows of one request.
struct Waiting {
    executions: Vec<Execution>,
    answer: oneshot::Sender<Result<Receipt, Refusal>>,
    _room: OwnedSemaphorePermit,
}

/// The way in.
#[derive(Clone, Debug)]
pub struct Ingest {
    queue: mpsc::UnboundedSender<Waiting>,
    room: Arc<Semaphore>,
}

/// The part that writes; it must run for anything to be taken.
pub struct Writer {
    queue: mpsc::UnboundedReceiver<Waiting>,
    context: Arc<Context>,
}

/// Writes one group after the other.
struct Hand {
    queue: Arc<Mutex<mpsc::UnboundedReceiver<Waiting>>>,
    writer: Groups,
    stop: CancellationToken,
}

/// Makes the way in and the part that writes.
#[must_use]
pub fn channel(context: &Arc<Context>) -> (Ingest, Writer) {
    let (sender, queue) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(ROWS_WAITING_MAX));
    (Ingest { queue: sender, room }, Writer { queue, context: Arc::clone(context) })
}

impl Ingest {
    /// Waits until the executions are durable.
    ///
    /// # Errors
    /// When they were not taken; then none of them was.
    pub async fn submit(&self, executions: Vec<Execution>) -> Result<Receipt, Refusal> {
        if executions.is_empty() {
            return Ok(Receipt::default());
        }
        let rows = u32::try_from(std::cmp::min(executions.len(), ROWS_WAITING_MAX)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).try_acquire_many_owned(rows).map_err(|_| Refusal::Full)?;
        let (answer, answered) = oneshot::channel();
        self.queue.send(Waiting { executions, answer, _room: room }).map_err(|_| Refusal::Stopping)?;
        answered.await.unwrap_or(Err(Refusal::Stopping))
    }
}

impl Writer {
    /// Writes until asked to stop; what waits then is still written.
    pub async fn run(self) {
        let hands = if self.context.db.engine() == "postgres" { TRANSACTIONS } else { 1 };
        let queue = Arc::new(Mutex::new(self.queue));
        let hand = || Hand {
            queue: Arc::clone(&queue),
            writer: Groups::new(Arc::clone(&self.context)),
            stop: self.context.stop.clone(),
        };
        let running: JoinSet<()> = (0..hands).map(|_| hand().run()).collect();
        running.join_all().await;
    }
}

impl Hand {
    async fn run(mut self) {
        while let Some(waiting) = self.next().await {
            self.write(waiting).await;
        }
    }

    /// What waits, up to a group; `None` at the end.
    async fn next(&self) -> Option<Vec<Waiting>> {
        let mut queue = self.queue.lock().await;
        let first = tokio::select! {
            first = queue.recv() => first,
            () = self.stop.cancelled() => queue.try_recv().ok(),
        }?;
        let mut rows = first.executions.len();
        let mut waiting = vec![first];
        while rows < ROWS_PER_GROUP
            && let Ok(more) = queue.try_recv()
        {
            rows += more.executions.len();
            waiting.push(more);
        }
        Some(waiting)
    }

    async fn write(&mut self, waiting: Vec<Waiting>) {
        let requests: Vec<&[Execution]> = waiting.iter().map(|waiting| waiting.executions.as_slice()).collect();
        match self.writer.write(&requests).await {
            Ok(receipts) => {
                for (waiting, receipt) in waiting.into_iter().zip(receipts) {
                    waiting.answer.send(Ok(receipt)).ok();
                }
            }
            // What one request has wrong is not to fail the others.
            Err(error) if !error.is_transient() && waiting.len() > 1 => {
                for waiting in waiting {
                    let alone = self.writer.write(&[&waiting.executions]).await;
                    answer(waiting, alone.map(|receipts| receipts.first().copied().unwrap_or_default()));
                }
            }
            Err(error) => {
                let refusal = refusal(&error);
                tracing::warn!(%error, requests = waiting.len(), "executions were not taken");
                for waiting in waiting {
                    waiting.answer.send(Err(refusal)).ok();
                }
            }
        }
    }
}

fn answer(waiting: Waiting, result: store::Result<Receipt>) {
    if let Err(error) = &result {
        tracing::warn!(%error, "executions were not taken");
    }
    waiting.answer.send(result.map_err(|error| refusal(&error))).ok();
}

fn refusal(error: &store::Error) -> Refusal {
    if error.is_transient() { Refusal::Unavailable } else { Refusal::Failed }
}
