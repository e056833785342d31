//! Hash chain, signed heads, canonical bytes, verification. Pure.
