package verify

import (
	"context"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/postern-mail/postern/pkg/event"
	"github.com/postern-mail/postern/pkg/fault"
	"github.com/postern-mail/postern/pkg/keys"
	"github.com/postern-mail/postern/pkg/mail"
	"github.com/postern-mail/postern/pkg/mailauth"
	"github.com/postern-mail/postern/pkg/reading"
	"github.com/postern-mail/postern/pkg/signature"
	verifyv1 "github.com/postern-mail/postern/proto/verify/v1"
)

// Codes of why a verdict is not repeated.
const (
	EvidenceMalformed  = "malformed"
	EvidenceUnreadable = "evidence_unreadable"
)

// Replay repeats a verdict from the mail and what was kept of its judgement. It asks neither
// name servers nor anybody else, and its answer has no word of the mail.
func (w *Worker) Replay(ctx context.Context, request *verifyv1.Replay) (*verifyv1.Replayed, error) {
	if !event.IsItem(request.GetItem()) || request.GetActor() == "" || len(request.GetEvidence()) == 0 || len(request.GetEvidence()) > keys.MaxEvidence {
		return nil, fault.Final(EvidenceMalformed)
	}
	opened, err := w.desk.ReadFor(ctx, w.opener, keys.ForReplay, request.GetItem(), request.GetActor())
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	packed, err := opened.OpenBeside(request.GetEvidence(), keys.MaxEvidence)
	if err != nil {
		return nil, fault.FinalFor(err, EvidenceUnreadable) // of another mail, or changed
	}
	dossier, err := mailauth.ReadDossier(packed)
	if err != nil {
		return nil, fault.FinalFor(err, EvidenceUnreadable)
	}
	message, gone, same := asJudged(ctx, opened, dossier.Encryption)
	now, err := dossier.Judge(ctx, message)
	if err != nil {
		return nil, fault.FinalFor(err, EvidenceUnreadable)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	differences := dossier.Differences(now)
	if !same {
		differences = append(differences, "encryption")
	}
	return &verifyv1.Replayed{
		Received:    timestamppb.New(dossier.At),
		Then:        &verifyv1.Verdict{Verdict: string(dossier.Result.Verdict), Reasons: dossier.Result.Reasons},
		Now:         &verifyv1.Verdict{Verdict: string(now.Verdict), Reasons: now.Reasons},
		Differences: differences,
		KeysGone:    gone,
		Answers:     int32(len(dossier.Questions)),
		Known:       int32(len(dossier.Known)),
		Keys:        int32(dossier.Keys.Count()),
	}, nil
}

// asJudged gives the message as it was when it was judged: with what was opened then, and nothing else. Where that
// cannot be, since a key is no longer there, it is the message as it opens now, and the fingerprints of such keys.
func asJudged(ctx context.Context, opened *reading.Mail, then []signature.Piece) (message *mail.Message, gone []string, same bool) {
	if slices.Equal(then, opened.Encryption) {
		return opened.Message, nil, true
	}
	if !slices.ContainsFunc(then, func(p signature.Piece) bool { return p.Opened }) {
		message, _ := signature.Open(ctx, opened.Closed(), signature.Keys{}, signature.OpenLimits{}, mail.DefaultLimits)
		return message, nil, true
	}
	for _, p := range then {
		is := func(now signature.Piece) bool { return now.Path == p.Path && now.Opened }
		if p.Opened && !slices.ContainsFunc(opened.Encryption, is) && !slices.Contains(gone, p.Key) {
			gone = append(gone, p.Key)
		}
	}
	return opened.Message, gone, false
}
