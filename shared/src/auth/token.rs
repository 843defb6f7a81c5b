//! Tokens: JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256, checked as RFC 8725 asks.

mod hs256;

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::model::Timestamp;

/// How long a token is good for: seven days, in seconds.
pub const LIFETIME_SECONDS: i64 = 7 * 24 * 60 * 60;

/// How far apart, in seconds, the clocks of two machines may be.
const CLOCK_SKEW_SECONDS: i64 = 5;

/// Who issues the tokens, and for whom: only this system takes them.
const ISSUER: &str = "movie-bag";

/// HS256 needs a key as long as its hash (RFC 7518 section 3.2).
const MINIMUM_KEY_BYTES: usize = 32;

/// The key printed in the tutorial that this system rebuilds. Everybody knows it.
const PUBLISHED_KEY: &str = "t1NP63m4wnBg6nyHYKfmc2TpCOGI4nss";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user's id.
    pub sub: Uuid,
    /// The user's session epoch when the token was issued. The token dies when the user's epoch moves on.
    pub epoch: u64,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// When it begins, in seconds since 1970; this system leaves it out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Who issued it.
    pub iss: String,
    /// Whom it is for.
    pub aud: String,
    /// Different for every token.
    pub jti: Uuid,
}

impl Claims {
    /// The claims of a new token for a user, valid for seven days from `now`.
    #[must_use]
    pub fn new(user_id: Uuid, epoch: u64, token_id: Uuid, now: Timestamp) -> Self {
        let iat = now.unix_seconds();
        Self {
            sub: user_id,
            epoch,
            iat,
            exp: iat + LIFETIME_SECONDS,
            nbf: None,
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            jti: token_id,
        }
    }

    fn check(&self, now: Timestamp) -> Result<(), TokenFault> {
        let now = now.unix_seconds();
        if self.iss != ISSUER || self.aud != ISSUER {
            return Err(TokenFault::NotOurs);
        }
        if self.exp.saturating_add(CLOCK_SKEW_SECONDS) <= now {
            return Err(TokenFault::Expired);
        }
        let earliest = self.nbf.map_or(self.iat, |nbf| nbf.max(self.iat));
        if earliest > now + CLOCK_SKEW_SECONDS {
            return Err(TokenFault::NotYetValid);
        }
        Ok(())
    }
}

/// Why a token is refused. Clients see one wording for all; the log says which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFault {
    /// Not three parts of base64url that hold a header, claims of the right types and a signature.
    Malformed,
    /// Another algorithm than HS256.
    Algorithm,
    /// Not declared as a JWT, or with header parameters that must be understood and are not.
    Header,
    /// Signed with no key of ours, by its `kid`.
    UnknownKey,
    /// The signature does not fit.
    Signature,
    /// Issued by somebody else, or for somebody else.
    NotOurs,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// Its user does not exist, or is leaving.
    UserGone,
    /// Its user's session epoch has moved on: they logged out or changed the password.
    Revoked,
}

impl fmt::Display for TokenFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Header => "header",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::NotOurs => "not_ours",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UserGone => "user_gone",
            Self::Revoked => "revoked",
        })
    }
}

/// The secret that tokens are signed with. Its `Debug` shows only its public identifier.
#[derive(Clone)]
pub struct TokenKey {
    /// The public identifier of the key, the `kid` of its tokens.
    id: String,
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "TokenKey({})", self.id)
    }
}

/// A key that must not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakKey {
    /// Fewer bytes than the hash has.
    #[error("has fewer than 32 bytes")]
    TooShort,
    /// Printed in the tutorial.
    #[error("is the one printed in the tutorial, which everybody knows")]
    Published,
}

/// A token could not be made.
#[derive(Debug, thiserror::Error)]
#[error("signing a token failed")]
pub struct SigningFailed(#[from] jsonwebtoken::errors::Error);

impl TokenKey {
    /// Takes a secret, unless it is one that could be guessed.
    pub fn new(secret: &str) -> Result<Self, WeakKey> {
        if secret.len() < MINIMUM_KEY_BYTES {
            return Err(WeakKey::TooShort);
        }
        if secret == PUBLISHED_KEY {
            return Err(WeakKey::Published);
        }
        hs256::install();
        let digest = Sha256::new().chain_update("movie-bag kid\0").chain_update(secret).finalize();
        Ok(Self {
            id: URL_SAFE_NO_PAD.encode(&digest[..8]),
            signing: EncodingKey::from_secret(secret.as_bytes()),
            verifying: DecodingKey::from_secret(secret.as_bytes()),
        })
    }

    /// Signs claims as a token.
    pub fn sign(&self, claims: &Claims) -> Result<String, SigningFailed> {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::HS256) };
        Ok(jsonwebtoken::encode(&header, claims, &self.signing)?)
    }
}

/// The keys whose tokens count: the one that signs, and while keys are being rotated the one that signed before.
#[derive(Debug, Clone)]
pub struct TokenKeys {
    current: TokenKey,
    previous: Option<TokenKey>,
}

impl TokenKeys {
    /// Signs with `current`, and takes tokens of both.
    #[must_use]
    pub fn new(current: TokenKey, previous: Option<TokenKey>) -> Self {
        Self { current, previous }
    }

    /// Signs claims as a token.
    pub fn sign(&self, claims: &Claims) -> Result<String, SigningFailed> {
        self.current.sign(claims)
    }

    /// What a token says, if it is one of ours and `now` is in its time. Its `kid` picks the one key that it is
    /// verified with. The signature is checked over the bytes received, and before any claim is read.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Claims, TokenFault> {
        let header = jsonwebtoken::decode_header(token).map_err(|error| fault(&error))?;
        if header.alg != Algorithm::HS256 {
            return Err(TokenFault::Algorithm);
        }
        if header.typ.as_deref() != Some("JWT") || header.crit.is_some() || header.cty.is_some() {
            return Err(TokenFault::Header);
        }
        let mut keys = std::iter::once(&self.current).chain(&self.previous);
        let key = keys.find(|key| header.kid.as_ref() == Some(&key.id)).ok_or(TokenFault::UnknownKey)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.verifying, &signature_only())
            .map_err(|error| fault(&error))?
            .claims;
        claims.check(now)?;
        Ok(claims)
    }
}

/// The crate checks the algorithm and the signature. The claims are checked here: the crate would read the clock by
/// itself, and it lets future tokens pass.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation
}

fn fault(error: &jsonwebtoken::errors::Error) -> TokenFault {
    match error.kind() {
        ErrorKind::InvalidSignature => TokenFault::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => TokenFault::Algorithm,
        // The crate's own enum, which grows: whatever else is wrong, the token is not readable.
        _ => TokenFault::Malformed,
    }
}

#[cfg(test)]
mod tests;
