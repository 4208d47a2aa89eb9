//! The token that RDS takes for a password: a presigned URL that nobody ever calls.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Secret;

/// How long a token opens doors; a connection that is open by then stays open.
const LIFE: Duration = Duration::from_secs(15 * 60);

/// What a query leaves as it is.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Why no token could be made.
#[derive(Debug, thiserror::Error)]
#[error("sign an RDS token: {0}")]
pub(super) struct TokenError(String);

/// Makes the token for a user of a server, valid for 15 minutes from `now`.
pub(super) fn token(
    (host, port): (&str, u16),
    user: &str,
    region: &str,
    credentials: &Credentials,
    now: SystemTime,
) -> Result<Secret, TokenError> {
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(LIFE);
    settings.signature_location = SignatureLocation::QueryParams;
    let identity = credentials.clone().into();
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("rds-db")
        .time(now)
        .settings(settings)
        .build()
        .map_err(|error| TokenError(error.to_string()))?
        .into();
    let mut url = format!("https://{host}:{port}/?Action=connect&DBUser={}", utf8_percent_encode(user, RESERVED));
    let request = SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::empty())
        .map_err(|error| TokenError(error.to_string()))?;
    let (instructions, _) = sign(request, &parameters).map_err(|error| TokenError(error.to_string()))?.into_parts();
    for (name, value) in instructions.params() {
        url.extend(["&", name, "="]);
        url.extend(utf8_percent_encode(value, RESERVED));
    }
    Ok(Secret::new(&url["https://".len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::process::Command;

    /// botocore's token for the same moment and keys.
    const BOTO: &str = "
import datetime, sys
import botocore.auth, botocore.session
host, port, user, region, key, secret, token, now = sys.argv[1:]
moment = datetime.datetime.fromtimestamp(int(now), datetime.timezone.utc)
class Fixed(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return moment if tz else moment.replace(tzinfo=None)
    @classmethod
    def utcnow(cls):
        return moment.replace(tzinfo=None)
botocore.auth.datetime = type('D', (), {'datetime': Fixed, 'timezone': datetime.timezone})
if hasattr(botocore.auth, 'get_current_datetime'):
    botocore.auth.get_current_datetime = lambda remove_tzinfo=True: (
        moment.replace(tzinfo=None) if remove_tzinfo else moment)
session = botocore.session.Session()
session.set_credentials(key, secret, token or None)
client = session.create_client('rds', region_name=region)
print(client.generate_db_auth_token(host, int(port), user, region))
";

    #[test]
    fn is_what_botocore_makes_of_the_same_moment_and_keys() {
        let now = 1_795_432_244_u64;
        let (key, secret) = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
        for (host, port, user, session) in [
            ("db.abc123.eu-west-1.rds.amazonaws.com", 3306, "worker", None),
            ("10.0.0.7", 3307, "a user+more/é@x", Some("IQoJb3JpZ2luX2VjEXAMPLE//+==")),
        ] {
            let credentials = Credentials::new(key, secret, session.map(str::to_owned), None, "test");
            let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(now);
            let ours = token((host, port), user, "eu-west-1", &credentials, moment).unwrap();
            let done = Command::new(taskwatch_testbed::python().unwrap())
                .args(["-c", BOTO, host, &port.to_string(), user, "eu-west-1", key, secret])
                .args([session.unwrap_or(""), &now.to_string()])
                .output()
                .unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            let theirs = String::from_utf8(done.stdout).unwrap();
            // A query has no order.
            let parts = |token: &str| token.trim().split(['?', '&']).map(str::to_owned).collect::<BTreeSet<_>>();
            assert_eq!(parts(ours.reveal()), parts(&theirs));
        }
    }
}
