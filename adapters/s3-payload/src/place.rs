//! Where S3 is, and whether a key may be asked for.

use reqwest::Url;
use rusty_s3::{Bucket, UrlStyle};

/// Where buckets are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) region: String,
    /// Where to call instead of AWS.
    pub(crate) endpoint: Option<Url>,
}

impl Place {
    /// Whether calls go over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.endpoint.as_ref().is_none_or(|endpoint| endpoint.scheme() == "https")
    }

    /// Whether calls stay on this machine, which no proxy can reach.
    pub(crate) fn is_this_machine(&self) -> bool {
        let host = self.endpoint.as_ref().and_then(|endpoint| endpoint.host_str()).unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
    }

    /// A bucket by its name.
    ///
    /// # Errors
    /// Says what is wrong with name or address.
    pub(crate) fn bucket(&self, name: &str) -> Result<Bucket, String> {
        let (url, style) = match &self.endpoint {
            Some(endpoint) => (endpoint.clone(), UrlStyle::Path),
            None => (self.usual()?, style_of(name)),
        };
        Bucket::new(url, style, name.to_owned(), self.region.clone()).map_err(|error| error.to_string())
    }

    fn usual(&self) -> Result<Url, String> {
        let end = if self.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        Url::parse(&format!("https://s3.{}.{end}", self.region)).map_err(|error| error.to_string())
    }
}

/// In the host, unless that would not be covered by AWS's certificate or not be the name of a host.
fn style_of(bucket: &str) -> UrlStyle {
    let is_label = bucket.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if is_label { UrlStyle::VirtualHost } else { UrlStyle::Path }
}

/// Whether a URL can hold a key as it is: segments of dots would be resolved, in path style even into another bucket.
pub(crate) fn is_plain(key: &str) -> bool {
    !key.is_empty() && !key.split('/').any(|segment| matches!(segment, "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(region: &str, endpoint: Option<&str>, bucket: &str, key: &str) -> String {
        let endpoint = endpoint.map(|url| url.parse().unwrap());
        let place = Place { region: region.to_owned(), endpoint };
        place.bucket(bucket).unwrap().object_url(key).to_string()
    }

    #[test]
    fn a_bucket_is_where_aws_has_it_unless_told_otherwise() {
        assert_eq!(url("eu-west-1", None, "b-1", "a/k 1"), "https://b-1.s3.eu-west-1.amazonaws.com/a/k%201");
        assert_eq!(url("cn-north-1", None, "b", "k"), "https://b.s3.cn-north-1.amazonaws.com.cn/k");
        assert_eq!(url("eu-west-1", None, "my.bucket", "k"), "https://s3.eu-west-1.amazonaws.com/my.bucket/k");
        assert_eq!(url("us-east-1", None, "My_Bucket", "k"), "https://s3.us-east-1.amazonaws.com/My_Bucket/k");
        assert_eq!(url("eu-west-1", Some("http://127.0.0.1:4566"), "b", "k"), "http://127.0.0.1:4566/b/k");
    }

    #[test]
    fn keys_that_would_leave_their_bucket_are_not_plain() {
        for key in ["", ".", "..", "../other/secret", "a/../../other/secret", "a/./b", "a/..", "./a"] {
            assert!(!is_plain(key), "{key}");
        }
        // What is plain stays in its bucket.
        for key in ["a", "a..b", "...", "/a", "//a/b", "a//b", "%2e%2e/other", "a\\..\\b", "?x#y", "é", "a/"] {
            assert!(is_plain(key), "{key}");
            for endpoint in [None, Some("http://127.0.0.1:4566")] {
                let url: Url = url("eu-west-1", endpoint, "my.bucket", key).parse().unwrap();
                assert!(url.path().starts_with("/my.bucket/"), "{key}: {url}");
                assert!(url.query().is_none() && url.fragment().is_none(), "{key}: {url}");
            }
        }
    }
}
