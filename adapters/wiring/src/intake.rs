//! Who may use the /tasks API, and its bounds.

use taskwatch_http_intake::{InvalidOrigin, Options, Origins, Token, TokenError};
use taskwatch_settings::Settings;

/// Why the API cannot be served like this: phrased to follow «failed to».
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The file with the token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The list of origins.
    #[error("use intake.origins: {0}")]
    Origins(#[from] InvalidOrigin),
}

/// What the sections `intake` and `announce` say, for the router.
///
/// # Errors
/// [`IntakeError`]
pub fn intake_options(settings: &Settings) -> Result<Options, IntakeError> {
    let intake = &settings.intake;
    let token = intake.token_file.as_deref().map(Token::from_file).transpose()?;
    let origins = Origins::listed(&intake.origins)?;
    Ok(Options { origins, token, page_limit: intake.page_limit, announce_within: settings.announce.within })
}
