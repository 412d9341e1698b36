use gitops::SyncRequest;

use crate::Outcome;
use crate::args::Sync;
use crate::output::Paint;
use crate::session::Session;

pub(crate) fn run(args: &Sync, paint: Paint) -> Outcome {
    let session = Session::open(&args.which.state, Some(paint))?;
    let id = session.application(&args.which)?;
    let mut request = SyncRequest::by("cli")
        .with_prune(args.prune)
        .with_dry_run(args.dry_run);
    request.force = args.force;
    request.options.clone_from(&args.sync_options);
    session.clock.run(async {
        session.engine.sync(&id, &request).await?;
        session.settle(&id).await
    })?;
    session.save()?;
    Ok(session.verdict(&id, paint))
}
