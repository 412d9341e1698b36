//! Renders a chart so many times, each time with other values, and prints how much was written: what is counted to
//! see that a chart is read and its templates are parsed once.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::error::Error;
use std::path::Path;

use gitops_helm::{Chart, RenderOptions, Values, render};
use gitops_manifest::DirTree;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let chart = args.next().ok_or("which chart?")?;
    let times: u32 = args.next().ok_or("how many times?")?.parse()?;
    let path = Path::new(&chart);
    let chart = if path.is_file() {
        Chart::from_archive(&std::fs::read(path)?)?
    } else {
        Chart::load(&DirTree::open(path)?, "")?
    };
    let options = RenderOptions::default();
    let mut written = 0;
    for time in 0..times {
        let mut values = Values::new();
        values.set(&format!("replicas={time}"))?;
        written += render(&chart, &values, &options)?.to_yaml().len();
    }
    println!("{written}");
    Ok(())
}
