package promise3

import (
	"bytes"
	"encoding/hex"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"

	pgp "github.com/ProtonMail/gopenpgp/v2/crypto"
	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/bus"
	"github.com/postern-mail/postern/pkg/bus/topology"
	"github.com/postern-mail/postern/pkg/event"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
	"github.com/postern-mail/postern/services/archive"
)

// A sealed is one layer of one item as some store had it once.
type sealed struct {
	item string
	kind itemv1.LayerKind
}

// A find is where the ciphertext of a layer was ever seen.
type find struct {
	objects map[string][]int64 // name → packet ends
	inlines map[string][]int64 // bytes → packet ends
}

// A hoard is what an attacker has who copied everything.
type hoard struct {
	layers  map[sealed]*find
	packets map[string]bool            // every key packet ever seen, of whatever layer
	vault   map[string]map[string]bool // every version of every object
}

func newHoard() *hoard {
	return &hoard{map[sealed]*find{}, map[string]bool{}, map[string]map[string]bool{}}
}

func (h *hoard) record(record *itemv1.Record) {
	for _, layer := range record.GetLayers() {
		f := h.layer(sealed{record.GetItem(), layer.GetKind()})
		if len(layer.GetKeyPacket()) > 0 {
			h.packets[string(layer.GetKeyPacket())] = true
		}
		if layer.GetObject() != "" {
			f.objects[layer.GetObject()] = layer.GetPacketEnds()
		}
		if len(layer.GetInline()) > 0 {
			f.inlines[string(layer.GetInline())] = layer.GetPacketEnds()
		}
	}
}

func (h *hoard) layer(at sealed) *find {
	if h.layers[at] == nil {
		h.layers[at] = &find{map[string][]int64{}, map[string][]int64{}}
	}
	return h.layers[at]
}

// streams takes what the bus has: records as they stand, and all that was said of them.
func (h *hoard) streams(t *testing.T, w world) {
	t.Helper()
	conn := w.as(t, topology.Rebuild).Conn
	for _, stream := range []string{topology.Items, topology.Tickets} {
		for message, err := range conn.Scan(t.Context(), stream, 1) {
			if err == nil {
				err = h.message(stream, message)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// objects takes every version of every object of the vault.
func (h *hoard) objects(t *testing.T, w world) {
	t.Helper()
	for name, content := range objects(t, w.as(t, "retain").Vault) {
		h.keep(name, content)
	}
	if bucket := w.bucket(t); bucket != nil {
		client := s3Client(t, bucket)
		for _, version := range versions(t, client, bucket.Bucket) {
			if version.IsDeleteMarker {
				continue
			}
			body, err := client.Client.GetObject(t.Context(), bucket.Bucket, version.Key, ofVersion(version))
			if err != nil {
				t.Fatal(err)
			}
			content, err := io.ReadAll(body)
			_ = body.Close()
			if err != nil {
				t.Fatal(err)
			}
			h.keep(version.Key, content)
		}
	}
}

func (h *hoard) keep(name string, content []byte) {
	if h.vault[name] == nil {
		h.vault[name] = map[string]bool{}
	}
	h.vault[name][string(content)] = true
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
func (h *hoard) journal(t *testing.T, w world, keys bunch) {
	t.Helper()
	read := 0
	store := w.as(t, "archive").Vault
	for _, stream := range []string{topology.Items, topology.Tickets} {
		batches, err := archive.Batches(t.Context(), store, stream)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range batches {
			for content := range h.vault[name.Object] { // none: written since
				batch, err := keys.batch(name, []byte(content))
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
	}
	if read == 0 {
		t.Fatal("the journal holds nothing")
	}
}

// joined is all that several copies have together, and every key packet that stands
// anywhere in their files, whatever store wrote it and whether it still shows it or not.
func joined(t *testing.T, copies []*hoard, folders ...string) *hoard {
	t.Helper()
	all := newHoard()
	for _, h := range copies {
		for at, f := range h.layers {
			maps.Copy(all.layer(at).objects, f.objects)
			maps.Copy(all.layer(at).inlines, f.inlines)
		}
		maps.Copy(all.packets, h.packets)
		for name, contents := range h.vault {
			for content := range contents {
				all.keep(name, []byte(content))
			}
		}
	}
	found := 0
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for at := bytes.Index(text, packetBegins); at >= 0; {
				if packet := text[at:min(at+keyPacketSize, len(text))]; len(packet) == keyPacketSize {
					all.packets[string(packet)] = true
					found++
				}
				next := bytes.Index(text[at+1:], packetBegins)
				if next < 0 {
					break
				}
				at += 1 + next
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < len(all.layers) {
		t.Fatalf("%d key packets in all files, of %d layers: the search cannot see them", found, len(all.layers))
	}
	return all
}

// packetBegins is how a key packet begins: tag 1 in the new format, its length, version 3
// (RFC 4880 §4.2, §5.1).
var packetBegins = []byte{0xc1, keyPacketSize - 2, 3}

// sessions opens every key packet there is with every key of a state that it is for.
func (h *hoard) sessions(keys bunch) []*pgp.SessionKey {
	byID := map[uint64][]*pgp.KeyRing{}
	for _, ring := range keys.rings {
		for _, key := range ring.GetKeys() {
			for _, sub := range key.GetEntity().Subkeys {
				byID[sub.PublicKey.KeyId] = append(byID[sub.PublicKey.KeyId], ring)
			}
			byID[key.GetKeyID()] = append(byID[key.GetKeyID()], ring)
		}
	}
	opened := map[string]*pgp.SessionKey{}
	for packet := range h.packets {
		var id uint64
		for _, b := range []byte(packet[3:11]) { // the recipient's key id (RFC 4880 §5.1)
			id = id<<8 | uint64(b)
		}
		for _, ring := range byID[id] {
			if session, err := ring.DecryptSessionKey([]byte(packet)); err == nil {
				opened[hex.EncodeToString(session.Key)] = session
			}
		}
	}
	var sessions []*pgp.SessionKey
	for _, session := range opened {
		sessions = append(sessions, session)
	}
	return sessions
}

// opensWith says whether any of some session keys opens any ciphertext ever seen of a layer.
func (h *hoard) opensWith(at sealed, sessions []*pgp.SessionKey) bool {
	f := h.layers[at]
	if f == nil {
		return false
	}
	for _, session := range sessions {
		for name, ends := range f.objects {
			for content := range h.vault[name] {
				if opens(session, []byte(content), ends) {
					return true
				}
			}
		}
		for content, ends := range f.inlines {
			if opens(session, []byte(content), ends) {
				return true
			}
		}
	}
	return false
}

// opens tries a session key on the first data packet of a layer.
func opens(session *pgp.SessionKey, ciphertext []byte, ends []int64) bool {
	end := int64(len(ciphertext))
	if len(ends) > 0 {
		end = min(end, ends[0])
	}
	_, err := session.Decrypt(ciphertext[:end])
	return err == nil
}
