package promise3

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	pgp "github.com/ProtonMail/gopenpgp/v2/crypto"
	"google.golang.org/protobuf/proto"

	journalv1 "github.com/postern-mail/postern/proto/journal/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	"github.com/postern-mail/postern/services/archive"
)

// keyPacketSize is a version 3 public-key encrypted session key packet for X25519.
const keyPacketSize = 96

// unlock reads a keyring's state as its form is described: the cell's two slots of 4096 bytes
// hold magic, generation, root and the state's SHA-256; the state file of that generation is
// AES-256-GCM under the root, a nonce of 12 bytes first.
func unlock(cell []byte, stateFolder string) (*keyringv1.State, error) {
	for slot := range 2 {
		if len(cell) < (slot+1)*4096 {
			break
		}
		b := cell[slot*4096:]
		if !bytes.Equal(b[:8], []byte("PSTNROOT")) {
			continue
		}
		generation := binary.BigEndian.Uint64(b[8:])
		sealed, err := os.ReadFile(filepath.Join(stateFolder, fmt.Sprintf("%020d", generation)))
		if err != nil {
			continue
		}
		block, err := aes.NewCipher(b[16:48])
		if err != nil {
			return nil, err
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return nil, err
		}
		plain, err := aead.Open(nil, sealed[:12], sealed[12:], binary.BigEndian.AppendUint64([]byte("postern keyring state"), generation))
		if err != nil {
			continue
		}
		state := new(keyringv1.State)
		return state, proto.Unmarshal(plain, state)
	}
	return nil, errors.New("no root of the cell opens a state here")
}

// unlockAny tries a cell's roots on every state file of a folder, whatever generation it says.
func unlockAny(cell []byte, stateFolder string) int {
	opened := 0
	files, _ := filepath.Glob(filepath.Join(stateFolder, "*"))
	for slot := range 2 {
		if len(cell) < (slot+1)*4096 {
			continue
		}
		block, err := aes.NewCipher(cell[slot*4096+16 : slot*4096+48])
		if err != nil {
			continue
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			continue
		}
		for _, file := range files {
			sealed, err := os.ReadFile(file)
			if err != nil || len(sealed) < 12 {
				continue
			}
			var generation uint64
			if _, err := fmt.Sscanf(filepath.Base(file), "%d", &generation); err != nil {
				continue
			}
			if _, err := aead.Open(nil, sealed[:12], sealed[12:], binary.BigEndian.AppendUint64([]byte("postern keyring state"), generation)); err == nil {
				opened++
			}
		}
	}
	return opened
}

// A bunch is every bucket key of one state.
type bunch struct{ rings map[string]*pgp.KeyRing }

func bunchOf(t *testing.T, state *keyringv1.State) bunch {
	t.Helper()
	b := bunch{map[string]*pgp.KeyRing{}}
	for _, bucket := range state.GetBuckets() {
		key, err := pgp.NewKey(bucket.GetPrivateKey())
		if err != nil {
			t.Fatal(err)
		}
		ring, err := pgp.NewKeyRing(key)
		if err != nil {
			t.Fatal(err)
		}
		b.rings[bucket.GetId()] = ring
	}
	return b
}

// batch opens a journal object with the state's keys.
func (b bunch) batch(name archive.BatchName, content []byte) (*journalv1.Batch, error) {
	ring := b.rings[name.Bucket]
	if ring == nil {
		return nil, fmt.Errorf("journal bucket %s is not in the state", name.Bucket)
	}
	session, err := ring.DecryptSessionKey(content[:keyPacketSize])
	if err != nil {
		return nil, err
	}
	plain, err := session.Decrypt(content[keyPacketSize:])
	if err != nil {
		return nil, err
	}
	batch := new(journalv1.Batch)
	return batch, proto.Unmarshal(plain.GetBinary(), batch)
}
