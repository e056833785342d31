//! VAD, recognisers, embeddings, speech output and the model manager. The only crate that knows whisper.cpp and candle.
