package promise3

import (
	"bytes"
	"context"
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

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	journalv1 "github.com/postern-mail/postern/proto/journal/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
	"github.com/postern-mail/postern/services/archive"
	"github.com/postern-mail/postern/services/postern/wiring"
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

// try opens a key packet with every key there is, and whatever comes out on the ciphertext.
func (b bunch) try(packet, ciphertext []byte, ends []int64) bool {
	end := int64(len(ciphertext))
	if len(ends) > 0 {
		end = min(end, ends[0])
	}
	for _, ring := range b.rings {
		session, err := ring.DecryptSessionKey(packet)
		if err != nil {
			continue
		}
		if _, err := session.Decrypt(ciphertext[:end]); err == nil {
			return true
		}
	}
	return false
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

// A sealed is one layer of one item as some store had it once.
type sealed struct {
	item string
	kind itemv1.LayerKind
}

// A find is all that was ever seen of a layer: every key packet, and the ciphertext.
type find struct {
	packets map[string]bool
	objects map[string][]int64 // name → packet ends
	inlines map[string][]int64 // bytes → packet ends
}

// A hoard is what an attacker has who copied everything.
type hoard struct {
	layers map[sealed]*find
	vault  map[string][]byte
}

func newHoard() *hoard { return &hoard{map[sealed]*find{}, map[string][]byte{}} }

func (h *hoard) record(record *itemv1.Record) {
	for _, layer := range record.GetLayers() {
		at := sealed{record.GetItem(), layer.GetKind()}
		f := h.layers[at]
		if f == nil {
			f = &find{map[string]bool{}, map[string][]int64{}, map[string][]int64{}}
			h.layers[at] = f
		}
		if len(layer.GetKeyPacket()) > 0 {
			f.packets[string(layer.GetKeyPacket())] = true
		}
		if layer.GetObject() != "" {
			f.objects[layer.GetObject()] = layer.GetPacketEnds()
		}
		if len(layer.GetInline()) > 0 {
			f.inlines[string(layer.GetInline())] = layer.GetPacketEnds()
		}
	}
}

// streams takes what the bus has: records as they stand, and all that was said of them.
func (h *hoard) streams(ctx context.Context, p *wiring.Process) error {
	conn, err := p.Connect(ctx, topology.Rebuild)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, stream := range []string{topology.Items, topology.Tickets} {
		for message, err := range conn.Scan(ctx, stream, 1) {
			if err != nil {
				return err
			}
			if err := h.message(stream, message); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *hoard) message(stream string, message *bus.Message) error {
	if stream == topology.Items {
		record := new(itemv1.Record)
		if err := proto.Unmarshal(message.Data, record); err != nil {
			return err
		}
		h.record(record)
		return nil
	}
	_, said, err := event.Open(message.Subject, message.Data)
	if err != nil {
		return err
	}
	switch e := said.(type) {
	case *ticketv1.Opened:
		h.record(e.GetRecord())
	case *mailv1.Sanitized:
		h.record(e.GetRecord())
	}
	return nil
}

// journal takes every record that the journal ever had.
func (h *hoard) journal(t *testing.T, p *wiring.Process, keys bunch) {
	t.Helper()
	read := 0
	for _, stream := range []string{topology.Items, topology.Tickets} {
		batches, err := archive.Batches(t.Context(), p.Vault, stream)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range batches {
			content, copied := h.vault[name.Object]
			if !copied {
				continue // written since
			}
			batch, err := keys.batch(name, content)
			if err != nil {
				t.Fatalf("journal object %s: %v", name.Object, err)
			}
			for _, entry := range batch.GetEntries() {
				if err := h.message(stream, &bus.Message{Subject: entry.GetSubject(), Data: entry.GetData()}); err != nil {
					t.Fatal(err)
				}
				read++
			}
		}
	}
	if read == 0 {
		t.Fatal("the journal holds nothing")
	}
}

// opens says whether any key packet ever seen of a layer, with any key of a state, opens any
// ciphertext of it.
func (h *hoard) opens(at sealed, keys bunch) bool {
	f := h.layers[at]
	if f == nil {
		return false
	}
	for packet := range f.packets {
		for name, ends := range f.objects {
			if content, there := h.vault[name]; there && keys.try([]byte(packet), content, ends) {
				return true
			}
		}
		for content, ends := range f.inlines {
			if keys.try([]byte(packet), []byte(content), ends) {
				return true
			}
		}
	}
	return false
}
