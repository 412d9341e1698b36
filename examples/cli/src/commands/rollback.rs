use crate::Outcome;
use crate::args::Rollback;
use crate::output::Paint;
use crate::session::Session;

pub(crate) fn run(args: &Rollback, paint: Paint) -> Outcome {
    let session = Session::open(&args.state, Some(paint))?;
    let id = session.by_name(&args.name);
    let entries = session.clock.run(session.engine.history_of(&id))?;
    let Some(last) = entries.last() else {
        return Err(format!("{} was never synced", args.name).into());
    };
    // The destination is the one of the last sync; the source is not needed.
    let source = last.sources.first().cloned().unwrap_or_default();
    let namespace = session.clock.run(session.engine.last_namespace(&id))?;
    let application = gitops::application::Application::new(args.name.as_str(), source, namespace);
    session.engine.set_application(application);
    let entry = session.clock.run(async {
        let entry = session.engine.rollback(&id, args.entry, "cli").await?;
        session.settle(&id).await?;
        Ok::<_, Box<dyn std::error::Error>>(entry)
    })?;
    session.save()?;
    println!("brought back entry {}: {}", entry.id, entry.revision());
    Ok(session.verdict(&id, paint))
}
