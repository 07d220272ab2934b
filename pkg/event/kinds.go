package event

import (
	"iter"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"

	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	consentv1 "github.com/postern-mail/postern/proto/consent/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	mailv1 "github.com/postern-mail/postern/proto/mail/v1"
	replyv1 "github.com/postern-mail/postern/proto/reply/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
	ticketv1 "github.com/postern-mail/postern/proto/ticket/v1"
)

// kinds is everything that may be said: an envelope of any other type is garbled.
var kinds = byName(
	&mailv1.Received{}, &mailv1.Verified{}, &mailv1.Scanned{}, &mailv1.Archived{},
	&mailv1.Sanitized{}, &mailv1.SetAside{}, &mailv1.Outdated{}, &mailv1.Recalled{},
	&ticketv1.Opened{}, &ticketv1.Assigned{}, &ticketv1.StatusChanged{}, &ticketv1.LayersDestroyed{}, &ticketv1.Recalled{},
	&retentionv1.Planned{}, &retentionv1.Destroyed{}, &retentionv1.Certified{},
	&retentionv1.Held{}, &retentionv1.Released{}, &retentionv1.Swept{}, &retentionv1.Withdrawn{}, &retentionv1.Wished{}, &retentionv1.Dismissed{},
	&auditv1.Entry{}, &auditv1.Checkpoint{},
	&keyringv1.Published{},
	&consentv1.Granted{}, &consentv1.Withdrawn{},
	&replyv1.Drafted{}, &replyv1.Held{}, &replyv1.Sent{}, &replyv1.Read{},
)

// Kinds yields the name and an empty message of every event, in the order of names.
func Kinds() iter.Seq2[string, proto.Message] {
	return func(yield func(string, proto.Message) bool) {
		for _, name := range slices.Sorted(maps.Keys(kinds)) {
			if !yield(name, kinds[name]) {
				return
			}
		}
	}
}

func byName(messages ...proto.Message) map[string]proto.Message {
	m := make(map[string]proto.Message, len(messages))
	for _, msg := range messages {
		m[Name(msg)] = msg
	}
	return m
}
