package attachment

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
)

func sum(s string) string {
	digest := sha256.Sum256([]byte(s))
	return hex.EncodeToString(digest[:])
}

func crc(b []byte) uint32 { return crc32.ChecksumIEEE(b) }
