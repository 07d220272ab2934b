// Package right holds the token that the in-memory store asks for before it
// destroys. Only packages below pkg/vault can make one, and of those only
// vault/erase does.
package right

// Destroy is the right to destroy.
type Destroy struct{ _ [0]func() }
