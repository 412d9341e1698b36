//! Simulated time.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use async_trait::async_trait;
use gitops_core::{Clock, Timestamp};

/// How often [`SimClock::drive`] lets the other tasks of the executor run before it takes them for asleep.
const IDLE_ROUNDS: u32 = 64;

/// How long [`SimClock::run`] waits for another thread where nothing else can go on.
const PATIENCE: Duration = Duration::from_secs(60);

/// A clock that stands still until it is told to go on, or until everybody waits for it.
///
/// Clones are handles of one clock. It begins at 2026-01-01T00:00:00Z.
///
/// There are three ways to let time pass:
/// - [`advance`](Self::advance) moves the clock by hand and wakes whoever slept until then;
/// - [`run`](Self::run) carries out a future on the calling thread and, whenever nothing in it can go on,
///   jumps to the moment at which the first sleeper wakes: days pass in microseconds, and the same program
///   takes the same course every time;
/// - [`drive`](Self::drive) does the same for a future that runs beside other tasks of an executor.
///
/// ```
/// use std::time::Duration;
/// use gitops_core::Clock as _;
/// use gitops_memory::SimClock;
///
/// let clock = SimClock::new();
/// let begin = clock.now();
/// clock.run(async { clock.sleep(Duration::from_secs(86_400)).await });
/// assert_eq!(clock.now().since(begin), Duration::from_secs(86_400));
/// ```
#[derive(Clone)]
pub struct SimClock(Arc<Mutex<State>>);

struct State {
    /// Time since the clock was made; it never goes back, so that sleeping is not disturbed by jumps.
    elapsed: Duration,
    /// What the wall shows is this plus `elapsed`.
    origin: Timestamp,
    /// The sleepers by the time at which they wake, then in the order in which they lay down.
    sleepers: BTreeMap<(Duration, u64), Waker>,
    next_sleeper: u64,
    /// Counts what happens to the clock, so that a driver can tell whether anything did.
    activity: u64,
    driver: Option<Waker>,
}

impl State {
    fn touch(&mut self) {
        self.activity += 1;
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// Takes the sleepers whose time has come.
    fn due(&mut self) -> Vec<Waker> {
        let later = self.sleepers.split_off(&(self.elapsed, u64::MAX));
        let due = std::mem::replace(&mut self.sleepers, later);
        due.into_values().collect()
    }
}

impl Default for SimClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for SimClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SimClock")
            .field(&self.now().to_string())
            .finish()
    }
}

impl SimClock {
    /// Makes a clock that shows 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(Timestamp::from_secs(1_767_225_600))
    }

    /// Makes a clock that shows a time.
    #[must_use]
    pub fn starting_at(origin: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(State {
            elapsed: Duration::ZERO,
            origin,
            sleepers: BTreeMap::new(),
            next_sleeper: 0,
            activity: 0,
            driver: None,
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets time pass and wakes those who slept until then, in the order of their time.
    pub fn advance(&self, duration: Duration) {
        let target = self.state().elapsed + duration;
        loop {
            let woken = {
                let mut state = self.state();
                let next = state.sleepers.keys().next().map(|(at, _)| *at);
                match next {
                    Some(at) if at <= target => state.elapsed = at.max(state.elapsed),
                    _ => {
                        state.elapsed = target;
                        state.touch();
                        return;
                    }
                }
                state.touch();
                state.due()
            };
            woken.into_iter().for_each(Waker::wake);
        }
    }

    /// Goes to the moment at which the first sleeper wakes, and wakes it. `false` where nobody sleeps.
    pub fn advance_to_next(&self) -> bool {
        let woken = {
            let mut state = self.state();
            let Some((at, _)) = state.sleepers.keys().next().copied() else {
                return false;
            };
            state.elapsed = at.max(state.elapsed);
            state.touch();
            state.due()
        };
        woken.into_iter().for_each(Waker::wake);
        true
    }

    /// Sets what the clock shows, forwards or back, as a correction of a machine's clock does. Sleepers
    /// notice nothing.
    pub fn set(&self, time: Timestamp) {
        let mut state = self.state();
        let elapsed = i64::try_from(state.elapsed.as_micros()).unwrap_or(i64::MAX);
        state.origin = Timestamp::from_micros(time.as_micros().saturating_sub(elapsed));
        state.touch();
    }

    /// Returns how long it is until the first sleeper wakes.
    #[must_use]
    pub fn next_wake(&self) -> Option<Duration> {
        let state = self.state();
        let (at, _) = state.sleepers.keys().next()?;
        Some(at.saturating_sub(state.elapsed))
    }

    /// Carries out a future on this thread. Whenever it can go on only after some time, that time passes at
    /// once.
    ///
    /// Where nothing in the future waits for the clock either, the thread waits for another one to wake it.
    ///
    /// # Panics
    /// Where none does so within a minute: the future waits for something that never comes.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        struct Flag(AtomicBool, Thread);
        impl Wake for Flag {
            fn wake(self: Arc<Self>) {
                self.wake_by_ref();
            }
            fn wake_by_ref(self: &Arc<Self>) {
                self.0.store(true, Ordering::SeqCst);
                self.1.unpark();
            }
        }
        let flag = Arc::new(Flag(AtomicBool::new(false), std::thread::current()));
        let waker = Waker::from(Arc::clone(&flag));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            while !flag.0.swap(false, Ordering::SeqCst) {
                if !self.advance_to_next() {
                    std::thread::park_timeout(PATIENCE);
                    assert!(
                        flag.0.load(Ordering::SeqCst) || self.next_wake().is_some(),
                        "the future waits for something that never comes: nobody sleeps, nobody wakes it"
                    );
                }
            }
        }
    }

    /// Carries out a future beside the other tasks of a single-threaded executor. Whenever none of them can
    /// go on before some time has passed, that time passes at once.
    ///
    /// An executor does not tell when it is idle, therefore the tasks are taken for asleep once all of them
    /// had their turn some dozens of times and none touched the clock. Tasks that hand work to other threads
    /// may see time pass meanwhile.
    pub fn drive<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        Drive {
            clock: self.clone(),
            future: Box::pin(future),
            activity: 0,
            idle: 0,
        }
    }
}

struct Drive<F> {
    clock: SimClock,
    future: Pin<Box<F>>,
    activity: u64,
    idle: u32,
}

impl<F: Future> Future for Drive<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        if let Poll::Ready(output) = self.future.as_mut().poll(context) {
            return Poll::Ready(output);
        }
        let activity = self.clock.state().activity;
        if activity == self.activity {
            self.idle += 1;
        } else {
            self.activity = activity;
            self.idle = 0;
        }
        if self.idle >= IDLE_ROUNDS {
            self.idle = 0;
            if !self.clock.advance_to_next() {
                // Nobody sleeps: whoever wakes this future or touches the clock goes on from here.
                self.clock.state().driver = Some(context.waker().clone());
                return Poll::Pending;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// A sleeper; leaves its bed when dropped.
struct Sleep<'a> {
    clock: &'a SimClock,
    until: Duration,
    id: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.clock.state();
        if state.elapsed >= self.until {
            return Poll::Ready(());
        }
        let id = self.id.unwrap_or_else(|| {
            state.next_sleeper += 1;
            state.touch();
            state.next_sleeper
        });
        state
            .sleepers
            .insert((self.until, id), context.waker().clone());
        drop(state);
        self.id = Some(id);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.clock.state().sleepers.remove(&(self.until, id));
        }
    }
}

#[async_trait]
impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        let state = self.state();
        state.origin + state.elapsed
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.state().elapsed + duration;
        Sleep {
            clock: self,
            until,
            id: None,
        }
        .await;
    }
}
