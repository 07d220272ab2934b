package pii

import (
	"crypto/sha256"
	"math/big"
	"strings"
)

// leastWallet is how long an address is that may be of letters alone.
const leastWallet = 26

// wallet finds addresses of crypto-currencies by their checksums.
func (s *scan) wallet(word string, i, end int) {
	switch n := len(word); {
	case n == 42 && strings.HasPrefix(word, "0x") && hexOnly(word[2:]): // EIP-55 is optional in practice
		s.add(CryptoWallet, i, end)
	case n >= leastWallet && n <= 35 && strings.IndexByte("13LMDATX9", word[0]) >= 0 && base58Check(word):
		s.add(CryptoWallet, i, end)
	case n >= 14 && n <= 90 && bech32(word):
		s.add(CryptoWallet, i, end)
	}
}

func hexOnly(word string) bool {
	for i := 0; i < len(word); i++ {
		if !isHexByte(word[i]) {
			return false
		}
	}
	return true
}

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// base58Check says whether a word is a version byte, 20 bytes and the first four
// of their double SHA-256.
func base58Check(word string) bool {
	value, radix := new(big.Int), big.NewInt(58)
	for i := 0; i < len(word); i++ {
		at := strings.IndexByte(base58, word[i])
		if at < 0 {
			return false
		}
		value.Mul(value, radix).Add(value, big.NewInt(int64(at)))
	}
	if value.BitLen() > 25*8 {
		return false
	}
	var raw [25]byte
	value.FillBytes(raw[:])
	first := sha256.Sum256(raw[:21])
	second := sha256.Sum256(first[:])
	return string(second[:4]) == string(raw[21:])
}

// bech32 checks BIP 173 and BIP 350 for the prefixes of main networks.
func bech32(word string) bool {
	switch upper(word[0]) {
	case 'B', 'L', 'A', 'C', 'S':
	default:
		return false
	}
	if word != strings.ToLower(word) && word != strings.ToUpper(word) {
		return false
	}
	word = strings.ToLower(word)
	one := strings.LastIndexByte(word, '1')
	if one < 1 || len(word)-one < 7 {
		return false
	}
	head := word[:one]
	switch head {
	case "bc", "ltc", "addr", "cosmos", "stake":
	default:
		return false
	}
	check := uint32(1)
	step := func(v byte) {
		top := check >> 25
		check = check&0x1ffffff<<5 ^ uint32(v)
		for i, generator := range [...]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				check ^= generator
			}
		}
	}
	for i := range len(head) {
		step(head[i] >> 5)
	}
	step(0)
	for i := range len(head) {
		step(head[i] & 31)
	}
	for _, c := range []byte(word[one+1:]) {
		at := strings.IndexByte("qpzry9x8gf2tvdw0s3jn54khce6mua7l", c)
		if at < 0 {
			return false
		}
		step(byte(at))
	}
	return check == 1 || check == 0x2bc830a3
}
