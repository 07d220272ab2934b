package attachment

import (
	"crypto/sha256"
	"encoding/hex"
)

func sum(s string) string {
	digest := sha256.Sum256([]byte(s))
	return hex.EncodeToString(digest[:])
}
