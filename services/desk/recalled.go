package desk

import (
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/seal/open"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	contentv1 "github.com/postern-mail/postern/proto/content/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
)

// A recalledFile is a file of a ticket that had passed and is not handed out any more.
type recalledFile struct {
	Name    string
	Time    time.Time
	Verdict string
	Reasons []string
	Found   string // what the scanner calls it; empty where it has no name, or is not known
	Had     []had  // who downloaded it before, for those who may know
}

// had is somebody who downloaded a file.
type had struct {
	Actor string
	Time  time.Time
}

// foundLimit bounds what is told of one file.
const foundLimit = 4 << 10

// recalled are the recalled files of a ticket, by their index among its attachments.
func (web *Web) recalled(v *visit, row Row, record *itemv1.Record, s sheet) (map[int]*recalledFile, error) {
	all := s.layer.recalledOf(record, s.Message)
	if len(all) == 0 || !v.user.Has(Lead) {
		return all, nil
	}
	acts, err := web.tickets.Acts(v.Context(), row.Record.GetItem(), actsShown)
	if err != nil {
		return nil, err
	}
	for index, file := range all {
		for _, act := range acts {
			if act.GetAction() == "download" && act.GetOutcome() == "allowed" && int(act.GetValue()) == index {
				file.Had = append(file.Had, had{act.GetActor(), act.GetTime().AsTime()})
			}
		}
	}
	return all, nil
}

// recalledOf pairs what a record recalls with the attachments of a message, and opens what was found.
func (o *opened) recalledOf(record *itemv1.Record, message *contentv1.Message) map[int]*recalledFile {
	all := map[int]*recalledFile{}
	for index, attached := range message.GetAttachments() {
		recalled := event.RecalledFile(record, attached.GetPacket())
		if attached.GetPacket() <= messagePacket || recalled == nil {
			continue
		}
		file := &recalledFile{Name: attached.GetName(), Time: recalled.GetTime().AsTime(), Verdict: recalled.GetVerdict(), Reasons: recalled.GetReasons()}
		if plain, err := open.Bytes(o.key.Session, recalled.GetDetails(), foundLimit); err == nil {
			var found contentv1.Found
			if proto.Unmarshal(plain, &found) == nil {
				file.Found = found.GetSignature()
			}
		}
		all[index] = file
	}
	return all
}

// mayHandOut asks the record as it stands whether a file is still handed out or shown. Without it none is.
func (web *Web) mayHandOut(v *visit, row Row, attached *contentv1.Attachment, index int, action string) error {
	record, err := web.retention.Record(v.Context(), row.Record.GetItem())
	if err != nil {
		return err
	}
	if event.RecalledFile(record, attached.GetPacket()) == nil {
		return nil
	}
	act := &auditv1.Act{
		Actor: v.user.Name, Action: action, Items: []string{row.Record.GetItem()}, Ticket: row.Ticket, Layer: viewLayer,
		Value: int32(index), Outcome: "recalled", //nolint:gosec // of a list
	}
	if err := web.voice.Record(v.Context(), act); err != nil {
		return err
	}
	return wrong(http.StatusForbidden, "This file is not handed out any more: with newer signatures the scanner does not pass it. The ticket says more. If you have opened it before, tell those who look after your machine.")
}
