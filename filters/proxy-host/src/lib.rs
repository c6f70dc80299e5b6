//! The proxy's host calls behind small traits, with a fake for tests
