//! Trace context, as W3C and X-Ray write it: of either, only the trace id is kept.

/// Name of the header, attribute or member that carries W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// The trace id of a W3C `traceparent` (`00-<32 hex>-<16 hex>-<2 hex>`), or `None` if it is not one.
///
/// Later versions may append to the four fields; version ff is forbidden, as are upper case and ids of zeros.
#[must_use]
pub fn from_traceparent(text: &str) -> Option<String> {
    let mut fields = text.trim().splitn(5, '-');
    let (version, trace, parent, flags) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let known = version != "ff" && (version != "00" || fields.next().is_none());
    let ok = known && hex(version, 2) && hex(trace, 32) && hex(parent, 16) && hex(flags, 2);
    (ok && !zeros(trace) && !zeros(parent)).then(|| trace.to_owned())
}

/// The trace id of an `AWSTraceHeader` (`Root=1-<8 hex>-<24 hex>;Parent=...;Sampled=1`), or `None` if it has none.
///
/// SQS passes it on as a system attribute, HTTP as the header `X-Amzn-Trace-Id`. X-Ray's id is W3C's with two dashes in it. Whether the trace is sampled does not matter here.
#[must_use]
pub fn from_aws_header(text: &str) -> Option<String> {
    let root = text.split(';').find_map(|field| field.trim().strip_prefix("Root="))?;
    let (version, id) = root.split_once('-')?;
    let (seconds, random) = id.split_once('-')?;
    let trace = format!("{seconds}{random}").to_ascii_lowercase();
    let ok = version == "1" && seconds.len() == 8 && hex(&trace, 32) && !zeros(&trace);
    ok.then_some(trace)
}

fn hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn zeros(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    #[test]
    fn traceparent_gives_its_trace_id() {
        let good = |text: &str| from_traceparent(text).as_deref() == Some(TRACE);
        assert!(good("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        assert!(good("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03"));
        assert!(good("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-next"));
    }

    #[test]
    fn a_malformed_traceparent_gives_none() {
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-4bf92f3577b34da6a3ce929d0e0e47é-00f067aa0ba902b7-01",
        ] {
            assert_eq!(from_traceparent(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_aws_header_gives_the_same_id_without_dashes() {
        let header = |text: &str| from_aws_header(text);
        let id = Some("5759e988bd862e3fe1be46a994272793".to_owned());
        assert_eq!(header("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"), id);
        assert_eq!(header("Sampled=0; Root=1-5759E988-bd862e3fe1be46a994272793"), id);
        assert_eq!(header("Self=1-67891234-12456789abcdef012345678"), None);
        assert_eq!(header("Root=2-5759e988-bd862e3fe1be46a994272793"), None);
        assert_eq!(header("Root=1-5759e98-8bd862e3fe1be46a994272793"), None);
        assert_eq!(header("Root=1-00000000-000000000000000000000000"), None);
        assert_eq!(header("Root=1-5759e988bd862e3fe1be46a994272793"), None);
        assert_eq!(header("Root="), None);
    }
}
