use std::time::Duration;

use futures::future::join_all;
use gitops_core::Clock as _;
use gitops_memory::SimClock;

#[test]
fn sleepers_wake_in_the_order_of_their_time() {
    let clock = SimClock::new();
    let begin = clock.now();
    let log = std::sync::Mutex::new(Vec::new());
    let sleeper = |name: &'static str, seconds: u64| {
        let (clock, log) = (clock.clone(), &log);
        async move {
            for _ in 0..2 {
                clock.sleep(Duration::from_secs(seconds)).await;
                let at = clock.now().since(begin).as_secs();
                log.lock().unwrap().push((at, name));
            }
        }
    };
    clock.run(join_all([
        sleeper("slow", 5),
        sleeper("quick", 2),
        sleeper("same", 5),
    ]));
    assert_eq!(
        *log.lock().unwrap(),
        [
            (2, "quick"),
            (4, "quick"),
            (5, "slow"),
            (5, "same"),
            (10, "slow"),
            (10, "same"),
        ]
    );
}

#[test]
fn a_jump_of_the_wall_clock_does_not_wake_anybody() {
    let clock = SimClock::new();
    let begin = clock.now();
    clock.run(async {
        let sleep = clock.sleep(Duration::from_secs(60));
        clock.set(begin + Duration::from_secs(3600));
        sleep.await;
        assert_eq!(clock.now().since(begin), Duration::from_secs(3660));
    });
}

#[tokio::test]
async fn time_passes_beside_other_tasks_of_an_executor() {
    let clock = SimClock::new();
    let begin = clock.now();
    let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
    let task = tokio::spawn({
        let clock = clock.clone();
        async move {
            for n in 0..3 {
                clock.sleep(Duration::from_secs(10)).await;
                sender.send(n).await.unwrap();
            }
        }
    });
    let got = clock
        .drive(async {
            let mut got = Vec::new();
            while let Some(n) = receiver.recv().await {
                got.push((n, clock.now().since(begin).as_secs()));
            }
            got
        })
        .await;
    task.await.unwrap();
    assert_eq!(got, [(0, 10), (1, 20), (2, 30)]);
}
