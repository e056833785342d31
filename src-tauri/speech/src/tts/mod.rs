//! Speech output: espeak-ng, a cache for what is approved, and recorded files in place of prompts.
//!
//! Three ways in, by what is said: a *prompt* (a fixed sentence that a recording may replace), an *approved* text
//! (spoken often, rendered once and kept), and a *private* one (names, numbers, dates: rendered, never written down).

mod cache;
mod espeak;
mod prompts;

pub use cache::{CacheError, SpeechCache};
pub use espeak::{Espeak, EspeakConfig, TtsError};
pub use prompts::PromptBook;

use std::sync::Arc;

/// The three ways of speaking over one synthesiser. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Speaker {
    espeak: Espeak,
    cache: Option<SpeechCache>,
    prompts: Option<PromptBook>,
}

impl Speaker {
    /// A speaker; without a cache approved texts are rendered each time, without a book no recording is used.
    #[must_use]
    pub const fn new(espeak: Espeak, cache: Option<SpeechCache>, prompts: Option<PromptBook>) -> Self {
        Self {
            espeak,
            cache,
            prompts,
        }
    }

    /// The audio of a prompt: its recording if there is one that can be read, else its text.
    ///
    /// # Errors
    /// When there is no recording and rendering fails.
    pub async fn prompt(&self, name: &str, text: &str, language: &str) -> Result<Arc<[i16]>, TtsError> {
        if let Some(book) = self.prompts.clone() {
            let (name, language) = (name.to_owned(), language.to_owned());
            let recorded = tokio::task::spawn_blocking(move || book.recording(&name, &language)).await;
            if let Ok(Some(audio)) = recorded {
                return Ok(audio);
            }
        }
        self.approved(text, language).await
    }

    /// The audio of a text that is approved to be spoken and holds no personal data. It is kept.
    ///
    /// # Errors
    /// When rendering fails. A cache that cannot be read or written only costs time.
    pub async fn approved(&self, text: &str, language: &str) -> Result<Arc<[i16]>, TtsError> {
        match &self.cache {
            Some(cache) => cache.get_or_render(&self.espeak, text, language).await,
            None => self.espeak.render(text, language).await,
        }
    }

    /// The audio of a text with personal data. It is written nowhere.
    ///
    /// # Errors
    /// When rendering fails.
    pub async fn private(
        &self,
        text: &anteroom_types::Pii<String>,
        language: &str,
    ) -> Result<Arc<[i16]>, TtsError> {
        self.espeak
            .render(text.open(anteroom_types::Purpose::Conversation), language)
            .await
    }
}
