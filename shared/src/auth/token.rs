//! Tokens: JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256 and verified as RFC 8725 requires.

mod hs256;

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, errors::ErrorKind};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{model::Timestamp, store::SessionFault};

/// The lifetime of a token: seven days, in seconds.
pub const LIFETIME_SECONDS: i64 = 7 * 24 * 60 * 60;

/// The accepted difference between the clocks of two machines, in seconds.
const CLOCK_SKEW_SECONDS: i64 = 5;

/// The issuer and the audience of every token: only this system issues and accepts them.
const ISSUER: &str = "movie-bag";

/// HS256 requires a key that is at least as long as its hash (RFC 7518 section 3.2).
const MIN_KEY_BYTES: usize = 32;

/// The key that the Flask tutorial prints, which is therefore public.
const PUBLISHED_KEY: &str = "t1NP63m4wnBg6nyHYKfmc2TpCOGI4nss";

/// The claims of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The user's id.
    pub sub: Uuid,
    /// The user's session epoch when the token was issued. An increment of the user's epoch revokes the token.
    pub epoch: u64,
    /// The time at which the token was issued, in seconds since 1970.
    pub iat: i64,
    /// The time at which the token expires, in seconds since 1970.
    pub exp: i64,
    /// The time before which the token is not valid, in seconds since 1970. This system does not set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// The issuer.
    pub iss: String,
    /// The audience.
    pub aud: String,
    /// A unique id of the token.
    pub jti: Uuid,
}

impl Claims {
    /// Returns the claims of a new token that is valid for seven days from `now`.
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

/// The reason why a token is refused. Clients get the same text for all reasons; the log has the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFault {
    /// The token is not three parts of base64url with a header, claims of the expected types and a signature.
    Malformed,
    /// The algorithm is not HS256.
    Algorithm,
    /// The type is not JWT, or the header has a critical parameter or a content type.
    Header,
    /// The `kid` is not that of a configured key.
    UnknownKey,
    /// The signature is wrong.
    Signature,
    /// The issuer or the audience is another system.
    NotOurs,
    /// The token has expired.
    Expired,
    /// The token is not valid yet.
    NotYetValid,
    /// The user does not exist, or the account is being deleted.
    UserGone,
    /// The user's session epoch was incremented: the user logged out, changed the password or requested the deletion of the
    /// account.
    Revoked,
}

impl From<SessionFault> for TokenFault {
    fn from(fault: SessionFault) -> Self {
        match fault {
            SessionFault::UserGone => Self::UserGone,
            SessionFault::Revoked => Self::Revoked,
        }
    }
}

impl TokenFault {
    /// Returns the name of the reason in the security log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
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
        }
    }
}

/// A secret key that signs tokens. Its `Debug` shows only its public id.
#[derive(Clone)]
pub struct TokenKey {
    /// The public id of the key: the `kid` of its tokens.
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
    /// The key is shorter than the hash.
    #[error("has fewer than 32 bytes")]
    TooShort,
    /// The Flask tutorial prints the key.
    #[error("is the key that the Flask tutorial prints, which is public")]
    Published,
}

/// A token could not be signed.
#[derive(Debug, thiserror::Error)]
#[error("signing a token failed")]
pub struct SigningFailed(#[from] jsonwebtoken::errors::Error);

impl WeakKey {
    /// Returns an error for a secret that can be guessed.
    pub(super) fn check(secret: &str) -> Result<(), Self> {
        if secret.len() < MIN_KEY_BYTES {
            return Err(Self::TooShort);
        }
        if secret == PUBLISHED_KEY {
            return Err(Self::Published);
        }
        Ok(())
    }
}

impl TokenKey {
    /// Creates a key of a secret, unless the secret can be guessed.
    pub fn new(secret: &str) -> Result<Self, WeakKey> {
        WeakKey::check(secret)?;
        hs256::install();
        let digest = Sha256::new().chain_update("movie-bag kid\0").chain_update(secret).finalize();
        Ok(Self {
            id: URL_SAFE_NO_PAD.encode(&digest[..8]),
            signing: EncodingKey::from_secret(secret.as_bytes()),
            verifying: DecodingKey::from_secret(secret.as_bytes()),
        })
    }

    /// Returns the signed token with these claims.
    pub fn sign(&self, claims: &Claims) -> Result<String, SigningFailed> {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::HS256) };
        Ok(jsonwebtoken::encode(&header, claims, &self.signing)?)
    }
}

/// The keys whose tokens are accepted: the one that signs and, during a rotation, the previous one.
#[derive(Debug, Clone)]
pub struct TokenKeys {
    current: TokenKey,
    previous: Option<TokenKey>,
}

impl TokenKeys {
    /// Signs tokens with `current` and accepts the tokens of both keys.
    #[must_use]
    pub fn new(current: TokenKey, previous: Option<TokenKey>) -> Self {
        Self { current, previous }
    }

    /// Returns the token with these claims, signed with the current key.
    pub fn sign(&self, claims: &Claims) -> Result<String, SigningFailed> {
        self.current.sign(claims)
    }

    /// Returns the claims of a token that this system issued and that is valid at `now`.
    ///
    /// The `kid` selects the key. The signature is verified over the received bytes, before any claim is read.
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

/// Makes the crate check only the algorithm and the signature. [`Claims::check`] checks the claims: the crate reads the
/// system's clock, and it accepts tokens that were issued in the future.
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
        // The crate's enum is not exhaustive. Every other error means that the token is malformed: `verify` has already
        // checked the algorithm, and the crate cannot read a header with an algorithm that it does not know.
        _ => TokenFault::Malformed,
    }
}

#[cfg(test)]
mod tests;
