//! How two or more operations meet, without a clock: by choosing when each future is polled.

use crate::case::Stop;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

/// The most polls after which an operation is interrupted. One that is not done by then waits for
/// something that does not come while it is looked at.
pub(super) const POLLS: usize = 24;

/// Polls `first` `polls` times, then `second` to its end while `first` rests, then `first` to its
/// end. Says with the answers whether `first` was still in flight when `second` ran; if not, more
/// polls show nothing new.
///
/// This interleaves a single operation with everything that the implementation allows between two
/// of its steps.
pub(super) async fn overtake<A: Future, B: Future>(
    first: A,
    polls: usize,
    second: B,
) -> (A::Output, B::Output, bool) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    if let Some(one) = poll_times(first.as_mut(), polls).await {
        return (one, second.await, false);
    }
    // The second may wait for a lock that the first holds while it rests; then the first must go on
    // for it to get there.
    let rest = Duration::from_millis(250);
    match tokio::time::timeout(rest, second.as_mut()).await {
        Ok(other) => (first.await, other, true),
        Err(_) => {
            let (one, other) = both(first, second).await;
            (one, other, true)
        }
    }
}

/// Polls a future until it is done or has been polled `polls` times, each time when it asked for
/// it.
pub(super) async fn poll_times<F: Future>(
    mut future: Pin<&mut F>,
    polls: usize,
) -> Option<F::Output> {
    let mut rest = polls;
    poll_fn(|context| {
        if rest == 0 {
            return Poll::Ready(None);
        }
        rest -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if rest == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Both to their end, in turns.
pub(super) async fn both<A: Future, B: Future>(one: A, other: B) -> (A::Output, B::Output) {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut first, mut second) = (None, None);
    poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(output) = one.as_mut().poll(context)
        {
            first = Some(output);
        }
        if second.is_none()
            && let Poll::Ready(output) = other.as_mut().poll(context)
        {
            second = Some(output);
        }
        match (first.take(), second.take()) {
            (Some(one), Some(other)) => Poll::Ready((one, other)),
            (one, other) => {
                (first, second) = (one, other);
                Poll::Pending
            }
        }
    })
    .await
}

/// All to their end, each polled once in every round: the same order in every run.
pub(super) async fn in_turns<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(Box::pin).map(Ok).collect();
    poll_fn(|context| {
        let mut pending = false;
        for slot in &mut running {
            if let Ok(future) = slot {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *slot = Err(output),
                    Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    running.into_iter().filter_map(Result::err).collect()
}

/// All to their end: in turns, or in parallel.
pub(super) async fn all<F, T>(
    parallel: bool,
    futures: impl IntoIterator<Item = F>,
) -> Result<Vec<T>, Stop>
where
    F: Future<Output = Result<T, Stop>> + Send + 'static,
    T: Send,
{
    let outcomes = match parallel {
        true => in_parallel(futures).await,
        false => in_turns(futures).await,
    };
    outcomes.into_iter().collect()
}

/// All to their end, each a task of its own: at the same time, on as many threads as there are. The
/// outputs come in the order of the futures.
pub(super) async fn in_parallel<F>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut tasks = tokio::task::JoinSet::new();
    for (index, future) in futures.into_iter().enumerate() {
        tasks.spawn(async move { (index, future.await) });
    }
    let mut outputs = tasks.join_all().await;
    outputs.sort_by_key(|(index, _)| *index);
    outputs.into_iter().map(|(_, output)| output).collect()
}
