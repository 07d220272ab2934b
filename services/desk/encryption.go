package desk

import (
	"slices"
	"strings"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/signature"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
)

// An encryptionView is what a page says of a mail that came encrypted.
type encryptionView struct {
	Class    string // good, unsure
	Words    string
	Sentence string
	Pieces   []pieceView
}

// A pieceView is one encrypted piece.
type pieceView struct {
	Part        string
	Kind        string
	Class, Word string
	Key         string // whole fingerprint
	Reason      string // a sentence, "" for none
}

// encryptionOf reads what was encrypted in a mail; nil: nothing was.
func encryptionOf(message *contentv1.Message) *encryptionView {
	view := &encryptionView{Class: "good", Words: "Came encrypted"}
	var keys []string
	opened := 0
	for _, piece := range message.GetEncryption() {
		p := pieceView{
			Part: "the mail", Kind: worded(signatureName, piece.GetKind(), piece.GetKind()), Class: "unsure", Word: "Closed",
			Key: strings.ToUpper(readable(piece.GetKey())), Reason: encryptionSentence(piece.GetReason()),
		}
		if piece.GetPath() != "" {
			p.Part = "part " + readable(piece.GetPath())
		}
		if piece.GetOpened() {
			opened++
			p.Class, p.Word = "good", "Decrypted"
			if name := keyName(piece.GetKind(), p.Key); !slices.Contains(keys, name) {
				keys = append(keys, name)
			}
		}
		if p.Reason != "" {
			p.Class, view.Class = "unsure", "unsure"
		}
		view.Pieces = append(view.Pieces, p)
	}
	with := strings.Join(keys, " and ")
	switch {
	case len(view.Pieces) == 0:
		return nil
	case opened == 0:
		view.Words = "Encrypted"
		view.Sentence = view.Pieces[0].Reason
	case opened < len(view.Pieces):
		view.Sentence = "Part of it was decrypted here, with the company's " + with + "; the rest stays closed."
	case view.Class == "unsure":
		view.Sentence = "It was decrypted here, with the company's " + with + ". " + encryptionSentence(signature.WithoutIntegrity)
	default:
		view.Sentence = "It was decrypted here, with the company's " + with + "."
	}
	return view
}

// keyName is how people tell one key from another: by OpenPGP's key id, or by how a certificate's fingerprint begins.
func keyName(kind, fingerprint string) string {
	name, word := fingerprint[max(0, len(fingerprint)-16):], "key "
	if kind == string(signature.SMIME) {
		name, word = fingerprint[:min(len(fingerprint), 16)], "certificate "
	}
	for at := 4; at < len(name); at += 5 {
		name = name[:at] + " " + name[at:]
	}
	return word + name
}

var encryptionText = map[string]string{
	signature.StaysClosed:      "It is encrypted to nobody whose key we have, so nobody here can read it.",
	signature.WithoutIntegrity: "Nothing shows whether it was changed on its way.",
	signature.TooManyBytes:     "It unfolds to more than is opened here.",
	signature.TooManyPieces:    "More is encrypted in this mail than is opened here.",
	signature.TooManyLayers:    "It is encrypted or signed inside one another more often than is opened here.",
	signature.TooMuchTime:      "Opening it took longer than is allowed.",
	"keys_changed":             "The company's keys were changed while this mail was being checked, so it stays closed.",
}

func encryptionSentence(code string) string {
	if code == "" {
		return ""
	}
	return worded(encryptionText, code, attachment.Reason(code).Sentence())
}
