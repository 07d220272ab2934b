package clam

// SignaturesOf is for tests.
var SignaturesOf = signaturesOf
