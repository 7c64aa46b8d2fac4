//! Prometheus' text format, as much of it as we write.

use std::fmt::{Display, Write};

/// Metrics as text; each name is described once, before its samples.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    /// Begins the metric `ducksync_{name}` of a kind: `counter`, `gauge` or `histogram`.
    pub(super) fn metric(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP ducksync_{name} {help}");
        let _ = writeln!(self.0, "# TYPE ducksync_{name} {kind}");
    }

    /// Adds a sample to the metric that was begun last.
    pub(super) fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<_> = labels
            .iter()
            .map(|(label, text)| format!("{label}=\"{}\"", escaped(text)))
            .collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!("{{{}}}", labels.join(",")),
        };
        let _ = writeln!(self.0, "ducksync_{name}{labels} {value}");
    }

    /// Adds a histogram to the metric that was begun last: those up to each bound and not up to the one
    /// before, all, and their sum.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        bounds: impl IntoIterator<Item = (f64, u64)>,
        (count, sum): (u64, f64),
    ) {
        let bucket = format!("{name}_bucket");
        let mut upto = 0;
        for (bound, more) in bounds {
            upto += more;
            let bound = bound.to_string();
            self.sample(&bucket, &[labels, &[("le", &bound)]].concat(), upto);
        }
        self.sample(&bucket, &[labels, &[("le", "+Inf")]].concat(), count);
        self.sample(&format!("{name}_sum"), labels, sum);
        self.sample(&format!("{name}_count"), labels, count);
    }

    /// A metric of one sample without labels.
    pub(super) fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.metric(name, kind, help);
        self.sample(name, &[], value);
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o4_buckets_count_what_the_smaller_ones_do_too() {
        let mut text = Exposition::default();
        let bounds = [(0.5, 2), (1.0, 1)];
        text.histogram("seconds", &[("route", "local")], bounds, (4, 9.5));
        assert_eq!(
            text.into_text(),
            "ducksync_seconds_bucket{route=\"local\",le=\"0.5\"} 2\n\
             ducksync_seconds_bucket{route=\"local\",le=\"1\"} 3\n\
             ducksync_seconds_bucket{route=\"local\",le=\"+Inf\"} 4\n\
             ducksync_seconds_sum{route=\"local\"} 9.5\n\
             ducksync_seconds_count{route=\"local\"} 4\n"
        );
    }

    #[test]
    fn o4_samples_are_in_prometheus_text() {
        let mut text = Exposition::default();
        text.metric("runs_total", "counter", "Runs.");
        text.sample("runs_total", &[("status", "a\"b\\")], 3);
        text.single("sessions", "gauge", "Sessions.", 1.5);
        assert_eq!(
            text.into_text(),
            "# HELP ducksync_runs_total Runs.\n# TYPE ducksync_runs_total counter\n\
             ducksync_runs_total{status=\"a\\\"b\\\\\"} 3\n\
             # HELP ducksync_sessions Sessions.\n# TYPE ducksync_sessions gauge\nducksync_sessions 1.5\n"
        );
    }
}
