//! Requests, responses, live events, errors, who may call what. Pure.
