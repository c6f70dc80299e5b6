//! What an operator writes: types, parsing, defaults, reference checks
