use std::thread::sleep;
use std::time::Duration;

use gitops::application::SyncStatusCode;
use gitops::{EngineError, SyncRequest};

use crate::Outcome;
use crate::args::Watch;
use crate::output::Paint;
use crate::session::Session;

pub(crate) fn run(args: &Watch, paint: Paint) -> Outcome {
    let session = Session::open(&args.which.state, Some(paint))?;
    let id = session.application(&args.which)?;
    let request = SyncRequest::by("cli").with_prune(args.prune);
    let mut round = 0;
    loop {
        let outcome = session.clock.run(async {
            session.settle(&id).await?;
            let status = session.engine.status(&id).unwrap_or_default();
            if status.sync.status == SyncStatusCode::OutOfSync {
                session.engine.sync(&id, &request).await?;
                session.settle(&id).await?;
            }
            Ok::<(), Box<dyn std::error::Error>>(())
        });
        if let Err(error) = outcome {
            // What stands in the way of one round may be gone in the next.
            match error.downcast_ref::<EngineError>() {
                Some(EngineError::NotReady { .. } | EngineError::Busy { .. }) => {
                    eprintln!("{}", paint.yellow(&error.to_string()));
                }
                _ => return Err(error),
            }
        }
        session.save()?;
        round += 1;
        if args.rounds.is_some_and(|rounds| round >= rounds) {
            return Ok(session.verdict(&id, paint));
        }
        sleep(Duration::from_secs(args.interval));
        // The simulated cluster goes along with our time.
        session.clock.advance(Duration::from_secs(args.interval));
    }
}
