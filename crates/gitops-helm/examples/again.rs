//! Renders a chart so many times, each time with other values, and prints how much was written: what is counted to
//! see that a chart is read and its templates are parsed once. With `load` behind it the chart is read anew each time,
//! which is what `benches/peers/helm` compares with Helm in process.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::error::Error;
use std::path::Path;

use gitops_helm::{Chart, KubeVersion, RenderOptions, Values, render};
use gitops_manifest::DirTree;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let chart = args.next().ok_or("which chart?")?;
    let times: u32 = args.next().ok_or("how many times?")?.parse()?;
    let anew = args.next().is_some_and(|word| word == "load");
    let mut loaded = load(Path::new(&chart))?;
    let mut options = RenderOptions::default();
    options.capabilities.kube_version = KubeVersion::parse("1.34.0")?;
    let mut written = 0;
    for time in 0..times {
        if anew && time > 0 {
            loaded = load(Path::new(&chart))?;
        }
        let mut values = Values::new();
        values.set(&format!("replicas={time}"))?;
        written += render(&loaded, &values, &options)?.to_yaml().len();
    }
    println!("{written}");
    Ok(())
}

fn load(path: &Path) -> Result<Chart, Box<dyn Error>> {
    Ok(if path.is_file() {
        Chart::from_archive(&std::fs::read(path)?)?
    } else {
        Chart::load(&DirTree::open(path)?, "")?
    })
}
