//! xDS: subscriptions, differences, order, acknowledgements, and the tonic adapter
