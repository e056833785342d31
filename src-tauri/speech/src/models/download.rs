//! One file over HTTPS: resumed where it stopped, never longer than it should be, never anywhere unsafe.

use super::error::ModelsError;
use super::manager::{Progress, Proxy};
use crate::whisper::CancelFlag;
use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;
use ureq::http::StatusCode;

const REDIRECTS_MAX: usize = 5;

pub(super) struct Download<'a> {
    pub(super) id: &'a str,
    pub(super) file: &'a str,
    pub(super) url: &'a str,
    /// Where the bytes go; what is there already is kept.
    pub(super) part: &'a Path,
    /// Bytes the whole file has.
    pub(super) bytes: u64,
    pub(super) proxy: &'a Proxy,
    pub(super) stall: Duration,
}

impl Download<'_> {
    /// Downloads the rest of the file into `part`. The caller checks the sum.
    pub(super) fn run(
        &self,
        progress: &mut dyn FnMut(Progress),
        cancel: &CancelFlag,
    ) -> Result<(), ModelsError> {
        let io = |what, source| ModelsError::Io {
            what,
            path: self.part.to_owned(),
            source,
        };
        let mut have = std::fs::metadata(self.part).map_or(0, |m| m.len());
        if have > self.bytes {
            have = 0;
        }
        let agent = self.agent()?;
        let mut response = self.get(&agent, have)?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE && have > 0 {
            have = 0;
            response = self.get(&agent, 0)?;
        }
        match response.status() {
            StatusCode::PARTIAL_CONTENT if range_starts_at(&response, have) => {}
            // A server without ranges, or a range that is not ours: from the beginning.
            StatusCode::OK => have = 0,
            status => {
                return Err(ModelsError::Status {
                    file: self.file.to_owned(),
                    status: status.as_u16(),
                });
            }
        }
        let mut out = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .open(self.part)
            .map_err(|e| io("opening", e))?;
        out.set_len(have).map_err(|e| io("truncating", e))?;
        std::io::Seek::seek(&mut out, std::io::SeekFrom::Start(have)).map_err(|e| io("seeking in", e))?;
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0u8; 1 << 17];
        let mut broken = None;
        while have <= self.bytes {
            if cancel.is_cancelled() {
                return Err(ModelsError::Cancelled);
            }
            // One byte more than the file has shows a body that does not end.
            let room = usize::try_from(self.bytes - have + 1)
                .unwrap_or(usize::MAX)
                .min(buffer.len());
            match body.read(&mut buffer[..room]) {
                Ok(0) => break,
                Ok(n) => {
                    out.write_all(&buffer[..n]).map_err(|e| io("writing", e))?;
                    have += n as u64;
                    progress(Progress {
                        file: self.file.to_owned(),
                        bytes: have.min(self.bytes),
                        of: self.bytes,
                    });
                }
                Err(e) => {
                    broken = Some(e);
                    break;
                }
            }
        }
        out.sync_all().map_err(|e| io("writing", e))?;
        if have > self.bytes {
            drop(out);
            let _ = std::fs::remove_file(self.part);
            return Err(ModelsError::Corrupt {
                id: self.id.to_owned(),
                file: self.file.to_owned(),
                why: format!("the source sends more than {} bytes", self.bytes),
            });
        }
        if have < self.bytes {
            if let Some(e) = broken {
                tracing::debug!(file = self.file, error = %e, "the download broke off");
            }
            return Err(ModelsError::Short {
                file: self.file.to_owned(),
                got: have,
                want: self.bytes,
            });
        }
        Ok(())
    }

    fn agent(&self) -> Result<ureq::Agent, ModelsError> {
        let proxy = match self.proxy {
            Proxy::FromEnvironment => ureq::Proxy::try_from_env(),
            Proxy::None => None,
            Proxy::Address(a) => Some(ureq::Proxy::new(a).map_err(|e| ModelsError::Proxy(Box::new(e)))?),
        };
        Ok(ureq::Agent::config_builder()
            .http_status_as_error(false)
            // Followed here, so that each step can be judged.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(proxy)
            .timeout_connect(Some(Duration::from_secs(20)))
            .timeout_recv_response(Some(Duration::from_secs(60)))
            .timeout_per_read(Some(self.stall))
            .user_agent(concat!("anteroom/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent())
    }

    fn get(&self, agent: &ureq::Agent, from: u64) -> Result<ureq::http::Response<ureq::Body>, ModelsError> {
        let mut url = self.url.to_owned();
        let refuse = |why| ModelsError::Redirect {
            file: self.file.to_owned(),
            why,
        };
        for _ in 0..=REDIRECTS_MAX {
            // Compressed bytes would not add up to the size and could not be resumed.
            let mut request = agent.get(&url).header("Accept-Encoding", "identity");
            if from > 0 {
                request = request.header("Range", format!("bytes={from}-"));
            }
            let response = request.call().map_err(|e| ModelsError::Network {
                file: self.file.to_owned(),
                source: Box::new(e),
            })?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            let to = response
                .headers()
                .get("Location")
                .and_then(|l| l.to_str().ok())
                .ok_or_else(|| refuse("it names no place"))?;
            url = follow(&url, to).map_err(refuse)?;
        }
        Err(refuse("it goes round in circles"))
    }
}

/// The address a redirect from `from` to `to` leads to, if it stays with the scheme.
fn follow(from: &str, to: &str) -> Result<String, &'static str> {
    let (scheme, rest) = from.split_once("://").ok_or("the source has no scheme")?;
    if let Some((to_scheme, _)) = to.split_once("://") {
        return if to_scheme == scheme {
            Ok(to.to_owned())
        } else {
            Err("it leads to another scheme")
        };
    }
    if to.starts_with("//") {
        return Ok(format!("{scheme}:{to}"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    if to.starts_with('/') {
        Ok(format!("{scheme}://{authority}{to}"))
    } else if to.contains(':') {
        Err("it leads to another scheme")
    } else {
        let base = from.rsplit_once('/').map_or(from, |(b, _)| b);
        Ok(format!("{base}/{to}"))
    }
}

/// Whether `Content-Range: bytes FROM-…` begins at `have` (RFC 9110 14.4).
fn range_starts_at(response: &ureq::http::Response<ureq::Body>, have: u64) -> bool {
    response
        .headers()
        .get("Content-Range")
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.strip_prefix("bytes "))
        .and_then(|v| v.split('-').next())
        .and_then(|v| v.trim().parse::<u64>().ok())
        == Some(have)
}

#[cfg(test)]
mod tests {
    use super::follow;

    #[test]
    fn redirects_stay_with_their_scheme() {
        let from = "https://a.example/m/x.bin?download=1";
        assert_eq!(
            follow(from, "https://b.example/y").unwrap(),
            "https://b.example/y"
        );
        assert_eq!(follow(from, "//b.example/y").unwrap(), "https://b.example/y");
        assert_eq!(follow(from, "/y").unwrap(), "https://a.example/y");
        assert_eq!(follow(from, "y").unwrap(), "https://a.example/m/y");
        for to in [
            "http://a.example/x",
            "ftp://a.example/x",
            "file:///etc/passwd",
            "data:,x",
        ] {
            assert!(follow(from, to).is_err(), "{to}");
        }
    }
}
