package inspect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/postern-mail/postern/pkg/attachment"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/signature"
)

// A Document is what is said of one message. Every field is always present:
// empty lists are [], absent text is "". Fields may be added, never renamed.
type Document struct {
	File        string                  `json:"file"`
	Size        int                     `json:"size"`
	SHA256      string                  `json:"sha256"`
	Message     Message                 `json:"message"`
	Encryption  []signature.Piece       `json:"encryption"` // what was encrypted, in the order found
	Sender      mailauth.Result         `json:"sender"`
	Attachments []attachment.Attachment `json:"attachments"`
	Scan        attachment.Summary      `json:"scan"`
	Account     attachment.Account      `json:"account"` // of the bytes of the message
	View        View                    `json:"view"`
	TookMS      int64                   `json:"took_ms"`
}

// A Message is the message as it was read.
type Message struct {
	From          []Address `json:"from"`
	Sender        []Address `json:"sender"`
	ReplyTo       []Address `json:"reply_to"`
	To            []Address `json:"to"`
	Cc            []Address `json:"cc"`
	Subject       string    `json:"subject"`
	Date          string    `json:"date"` // RFC 3339 in the sender's zone, "" where unreadable
	MessageID     string    `json:"message_id"`
	InReplyTo     string    `json:"in_reply_to"`
	References    []string  `json:"references"`
	Kind          string    `json:"kind"`
	CharsetIssues int       `json:"charset_issues"`
	Defects       []string  `json:"defects"` // codes, each once, in the order found
	Parts         []Part    `json:"parts"`   // containers before what they hold
}

// An Address is one mailbox.
type Address struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

// A Part is one node of the MIME tree. Size and digest are over decoded bytes,
// which a multipart has none of.
type Part struct {
	Path        string `json:"path"` // section number (RFC 9051 §6.4.5), "" for a multipart root
	Type        string `json:"type"`
	Charset     string `json:"charset"`
	Encoding    string `json:"encoding"`
	Disposition string `json:"disposition"`
	Filename    string `json:"filename"`
	Size        int    `json:"size"`
	SHA256      string `json:"sha256"`
}

// internalError is the code of a fault of ours.
const internalError = "internal_error"

// fault completes a document that was left half done: what was not reached is not
// known, and nothing is clean.
func (d *Document) fault() {
	nothing := mail.Parse(nil, mail.Limits{})
	if d.Message.Parts == nil {
		d.Message = describe(nothing)
	}
	d.Message.Defects = append(d.Message.Defects, internalError)
	if d.Encryption == nil {
		d.Encryption = []signature.Piece{}
	}
	if d.Sender.Reasons == nil {
		d.Sender = mailauth.Judge(context.Background(), nothing, mailauth.Options{})
		d.Sender.Reasons = []string{internalError}
	}
	d.Attachments = complete(d.Attachments)
	d.Scan = attachment.Summary{Verdict: attachment.Error, Reasons: []attachment.Reason{internalError}}
	d.Account = attachment.Account{Parts: []attachment.AccountPart{}} // of a scan that did not end there is none
	if d.View.Masked == nil {
		d.View.Masked, d.View.Trackers, d.View.Events, d.View.Deliveries = []Mask{}, []string{}, []Event{}, []Delivery{}
	}
}

// describe puts a message into its place in the document.
func describe(msg *mail.Message) Message {
	m := Message{
		From: addresses(msg.From), Sender: addresses(msg.Sender), ReplyTo: addresses(msg.ReplyTo),
		To: addresses(msg.To), Cc: addresses(msg.Cc),
		Subject: msg.Subject, MessageID: msg.MessageID, InReplyTo: msg.InReplyTo,
		References: append([]string{}, msg.Refs...), Kind: string(msg.Kind),
		CharsetIssues: msg.CharsetIssues, Defects: []string{}, Parts: []Part{},
	}
	if !msg.Date.IsZero() {
		m.Date = msg.Date.Format(time.RFC3339)
	}
	seen := map[string]bool{}
	for _, d := range msg.Defects {
		if d.Path != "" && d.OfFields() {
			continue // of the fields of a message within this one
		}
		if !seen[d.Code] {
			seen[d.Code] = true
			m.Defects = append(m.Defects, d.Code)
		}
	}
	msg.Walk(func(p *mail.Part) {
		if p.Origin != "" { // unpacked from a part, so no section of the message: see attachments
			return
		}
		part := Part{
			Path: p.Path, Type: p.Type, Charset: p.Charset, Encoding: p.Encoding,
			Disposition: p.Disposition, Filename: p.Filename, Size: len(p.Content),
		}
		if p.Content != nil {
			part.SHA256 = digest(p.Content)
		}
		m.Parts = append(m.Parts, part)
	})
	return m
}

func addresses(list []mail.Address) []Address {
	out := []Address{}
	for _, a := range list {
		out = append(out, Address{Name: a.Name, Address: a.Addr})
	}
	return out
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// complete makes every list of a report one that is there.
func complete(list []attachment.Attachment) []attachment.Attachment {
	if list == nil {
		return []attachment.Attachment{}
	}
	for i := range list {
		list[i].Children = complete(list[i].Children)
		if list[i].Reasons == nil {
			list[i].Reasons = []attachment.Reason{}
		}
	}
	return list
}
