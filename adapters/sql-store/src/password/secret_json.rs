//! What a secret holds: the password and nothing else, or the JSON object that RDS and its rotation write.

use serde::Deserialize;

use super::{Login, Secret};
use crate::error::Fault;

#[derive(Deserialize)]
struct RdsSecret {
    username: Option<String>,
    password: Option<String>,
    host: Option<String>,
    port: Option<Port>,
}

/// RDS writes a number, people write text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Port {
    Number(u16),
    Text(String),
}

/// Reads a secret. The error names what is wrong, and nothing of the content.
pub(super) fn read(name: &str, content: &str) -> Result<Login, Fault> {
    let refused = |what: &str| Fault::Refused(format!("the secret {name} {what}"));
    if !content.trim_start().starts_with('{') {
        let password = content.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            return Err(refused("is empty"));
        }
        return Ok(Login { password: Some(Secret::new(password)), ..Login::default() });
    }
    let secret: RdsSecret = serde_json::from_str(content)
        .map_err(|_| refused("looks like JSON, but is no object with username and password as text"))?;
    let password = secret
        .password
        .filter(|password| !password.is_empty())
        .ok_or_else(|| refused("holds JSON without a \"password\""))?;
    let port = match secret.port {
        Some(Port::Text(text)) => Some(text.parse().map_err(|_| refused("holds a \"port\" that is no port number"))?),
        Some(Port::Number(port)) => Some(port),
        None => None,
    };
    Ok(Login { user: secret.username, password: Some(Secret::new(password)), host: secret.host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_bare_passwords_and_what_rds_writes() {
        let bare = read("s", "pa{ss\n").unwrap();
        assert_eq!((bare.password.unwrap().reveal(), bare.user), ("pa{ss", None));
        let rds = r#"{"username":"u","password":"p\"w","engine":"mysql","host":"h","port":3307,"dbname":"d"}"#;
        let login = read("s", rds).unwrap();
        assert_eq!((login.user.as_deref(), login.host.as_deref(), login.port), (Some("u"), Some("h"), Some(3307)));
        assert_eq!(login.password.unwrap().reveal(), "p\"w");
        assert_eq!(read("s", r#"{"password":"p","port":"3308"}"#).unwrap().port, Some(3308));
    }

    #[test]
    fn refuses_without_telling_the_content() {
        for content in ["", "{\"password\":", "{\"username\":\"hidden\"}", "{\"password\":\"hidden\",\"port\":\"x\"}"] {
            let Err(Fault::Refused(why)) = read("name", content) else { panic!("{content} was taken") };
            assert!(why.contains("name") && !why.contains("hidden"), "{why}");
        }
    }
}
