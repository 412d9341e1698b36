//! What the process itself takes, under the names that all of Prometheus' client libraries give it.

use std::fs::read_to_string;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// How many ticks a second has in `/proc`, on every Linux there is.
const TICKS: f64 = 100.0;

/// Registers the metrics of the process. Where there is no `/proc` there are none.
pub(super) fn register(registry: &mut Registry) {
    let stat = read_to_string("/proc/self/stat").unwrap_or_default();
    if let Some(seconds) = processor_seconds(&stat) {
        let counter = Counter::<f64, AtomicU64>::default();
        counter.inc_by(seconds);
        let help = "Total user and system CPU time spent in seconds";
        registry.register("process_cpu_seconds", help, counter);
    }
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(bytes) = resident_bytes(&status) {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(bytes);
        let help = "Resident memory size in bytes";
        registry.register("process_resident_memory_bytes", help, gauge);
    }
    let machine = read_to_string("/proc/stat").unwrap_or_default();
    if let Some(at) = start_seconds(&stat, &machine) {
        let gauge = Gauge::<f64, AtomicU64>::default();
        gauge.set(at);
        let help = "Start time of the process since unix epoch in seconds";
        registry.register("process_start_time_seconds", help, gauge);
    }
}

/// Returns a field of `/proc/self/stat`, counted as in proc(5). The second is the name, which may hold anything.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split_ascii_whitespace()
        .nth(number.checked_sub(3)?)?
        .parse()
        .ok()
}

fn processor_seconds(stat: &str) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) / TICKS)
}

fn line<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name))
}

fn resident_bytes(status: &str) -> Option<f64> {
    let kilobytes = line(status, "VmRSS:")?.trim().strip_suffix("kB")?;
    Some(kilobytes.trim().parse::<f64>().ok()? * 1024.0)
}

fn start_seconds(stat: &str, machine: &str) -> Option<f64> {
    let booted: f64 = line(machine, "btime ")?.trim().parse().ok()?;
    Some(booted + field(stat, 22)? / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_linux_are_read() {
        let stat =
            "7 (a (odd) name) S 1 7 7 0 -1 4194560 5130 0 40 0 250 50 0 0 20 0 3 0 1234 900 700 9";
        assert_eq!(processor_seconds(stat), Some(3.0));
        assert_eq!(start_seconds(stat, "cpu 1\nbtime 1000\n"), Some(1012.34));
        assert_eq!(
            resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"),
            Some(2_097_152.0)
        );
        assert_eq!(processor_seconds(""), None);
        assert_eq!(resident_bytes("VmRSS: much"), None);
    }
}
