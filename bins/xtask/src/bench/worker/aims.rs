//! What the figures are to be.

use super::super::figures::Measured as _;
use super::super::report::{Aim, Report};
use super::IDLE;
use super::subject::Who;
use super::throughput::{CPU, RATE};

/// Those who do the same with other means.
const PEERS: [Who; 2] = [Who::SqsConsumer, Who::Boto3];

pub(super) fn aims(report: &Report<Who>) -> Vec<Aim> {
    let median = |line: &str, who| report.line(line)?.median(who);
    let best = PEERS.into_iter().filter_map(|who| median(CPU, who)).reduce(f64::min);
    let aim = |name: &str, who: Who, figure, bound, at_least| {
        let most = if at_least { "at least" } else { "at most" };
        Aim { name: format!("{}, {name}, {most}", who.name()), figure, bound, at_least }
    };
    let who = Who::Taskwatch;
    let of_limit = median(RATE, who).zip(median(RATE, Who::Bare)).map(|(ours, limit)| ours / limit);
    let times = best.zip(median(CPU, who)).map(|(best, ours)| best / ours);
    vec![
        aim("messages per second: of the bare limit", who, of_limit, 0.7, true),
        aim("messages per CPU second: times those of the best peer", who, times, 5.0, true),
        aim("idle: percent of one core", who, median(IDLE, who), 1.0, false),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::super::figures::{Line, Spread, Unit};
    use super::super::super::report::Section;
    use super::*;

    #[test]
    fn the_best_peer_counts() {
        let line = |name: &str, values: &[(Who, f64)]| Line {
            name: name.to_owned(),
            unit: Unit::Number,
            values: values.iter().map(|(who, value)| (*who, Spread::exactly(*value))).collect(),
        };
        let mut report =
            Report { circumstances: Vec::new(), sections: Vec::new(), notes: Vec::new(), ratios: Vec::new() };
        let met = |report: &Report<Who>| aims(report).iter().map(Aim::is_met).collect::<Vec<_>>();
        assert_eq!(met(&report), [false; 3], "what was not measured is not met");
        let cpu = [(Who::Taskwatch, 1.0), (Who::SqsConsumer, 5.0), (Who::Boto3, 20.0)];
        let mut lines = vec![
            line(RATE, &[(Who::Bare, 100.0), (Who::Taskwatch, 70.0)]),
            line(CPU, &cpu),
            line(IDLE, &[(Who::Taskwatch, 1.0)]),
        ];
        report.sections = vec![Section { title: "", lines: lines.clone() }];
        assert_eq!(met(&report), [true; 3]);
        lines[1] = line(CPU, &[(Who::Taskwatch, 1.0), (Who::SqsConsumer, 20.0), (Who::Boto3, 4.9)]);
        report.sections = vec![Section { title: "", lines }];
        assert_eq!(met(&report), [true, false, true]);
    }
}
