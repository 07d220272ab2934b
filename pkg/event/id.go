package event

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
)

// Item derives the id of the mail with uid in one folder of one configured
// mailbox: 64 hex digits. The same mail always has the same id.
func Item(mailbox, folder string, uidValidity, uid, generation uint32) string {
	sum := digest(mailbox, folder, decimal(uidValidity), decimal(uid), decimal(generation))
	return hex.EncodeToString(sum[:])
}

// ID derives the id of the index-th event that stage says because of cause: 32 hex digits.
func ID(cause, stage string, index int) string {
	sum := digest(cause, stage, strconv.Itoa(index))
	return hex.EncodeToString(sum[:16])
}

// Ticket derives the name of the one ticket that an item becomes: T and 20 hex digits.
func Ticket(item string) string {
	sum := digest("ticket", item)
	return "T" + hex.EncodeToString(sum[:10])
}

// NewCustomer draws the id of a customer as they are recorded now: C and 32 hex digits. It
// is drawn, not derived: nobody who knows a customer can tell their id.
func NewCustomer() string {
	var drawn [16]byte
	rand.Read(drawn[:]) //nolint:errcheck // crypto/rand.Read never fails
	return "C" + hex.EncodeToString(drawn[:])
}

// IsCustomer reports whether id has the form of a customer's id.
func IsCustomer(id string) bool { return len(id) == 33 && id[0] == 'C' && isHex(id[1:], 32) }

// IsRecord reports whether there can be a record of that id: a mail's or a customer's.
func IsRecord(id string) bool { return IsItem(id) || IsCustomer(id) }

// CustomersSubject matches the subjects of customers' records.
const CustomersSubject = itemsSubject + "customer.*"

// MailsSubject matches the subjects of mails' records.
const MailsSubject = itemsSubject + "*"

const itemsSubject = "items."

// RecordSubject is where the record of an item stands, a mail's or a customer's.
func RecordSubject(id string) string {
	if IsCustomer(id) {
		return itemsSubject + "customer." + id
	}
	return itemsSubject + id
}

// IsItem reports whether id has the form of an item id.
func IsItem(id string) bool { return isHex(id, 64) }

// IsID reports whether id has the form of an event id.
func IsID(id string) bool { return isHex(id, 32) }

// IsTicket reports whether id has the form of a ticket id.
func IsTicket(id string) bool { return len(id) == 21 && id[0] == 'T' && isHex(id[1:], 20) }

// digest is SHA-256 over the words, each after its length in 8 bytes big endian:
// no two different lists of words run together.
func digest(words ...string) [sha256.Size]byte {
	h := sha256.New()
	var length [8]byte
	for _, word := range words {
		binary.BigEndian.PutUint64(length[:], uint64(len(word)))
		h.Write(length[:])
		h.Write([]byte(word))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func isHex(s string, length int) bool {
	if len(s) != length {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
