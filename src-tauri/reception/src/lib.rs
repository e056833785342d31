//! Turn taking, safety gate, intents, policy and the conversation. Pure.
