package retain

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/postern-mail/postern/pkg/vault"
	"github.com/postern-mail/postern/pkg/vault/erase"
	auditv1 "github.com/postern-mail/postern/proto/audit/v1"
	itemv1 "github.com/postern-mail/postern/proto/item/v1"
	keyringv1 "github.com/postern-mail/postern/proto/keyring/v1"
	retentionv1 "github.com/postern-mail/postern/proto/retention/v1"
)

// CertificateObject names a certificate's object in the vault.
func CertificateObject(id string) string { return "certificates/" + strings.ToLower(id) + ".json" }

// maxDocument is the longest certificate, in bytes, that rides in its event.
const maxDocument = 512 << 10

func certificateID(plan *retentionv1.Planned) string {
	return "C" + strings.TrimPrefix(plan.GetPlan(), "P")
}

// certify signs what was done and keeps it in the vault and in the log. The vault's copy
// comes first, and where one is there already it is the one that counts.
func (s *Service) certify(ctx context.Context, plan *retentionv1.Planned, times Times, gone map[string]erase.Report, attested *keyringv1.Attested) error {
	document, err := s.document(plan, times, gone, attested)
	if err != nil {
		return err
	}
	id := certificateID(plan)
	name := CertificateObject(id)
	_, err = s.vault.Put(ctx, name, bytes.NewReader(document), vault.PutOptions{Size: int64(len(document))})
	if errors.Is(err, vault.ErrExists) {
		document, err = readAll(ctx, s.vault, name)
	}
	if err != nil {
		return fmt.Errorf("certificate %s: %w", id, err)
	}
	said := &retentionv1.Certified{Certificate: id, Plan: plan.GetPlan(), Document: document}
	if len(document) > maxDocument {
		said.Document = nil // it is in the vault
	}
	if err := s.events.Say(ctx, plan.GetPlan(), said); err != nil {
		return err
	}
	s.log.Info("destruction certified", "plan", plan.GetPlan(), "certificate", id, "layers", len(plan.GetTargets()))
	return s.events.Record(ctx, &auditv1.Act{Action: "certify", Actor: "worker:retain", Purpose: plan.GetPlan(), Outcome: "allowed"})
}

func (s *Service) document(plan *retentionv1.Planned, times Times, gone map[string]erase.Report, attested *keyringv1.Attested) ([]byte, error) {
	times.Checked = s.clock.Now()
	salt := make([]byte, 16)
	rand.Read(salt) //nolint:errcheck // crypto/rand.Read never fails
	name, digest, _ := strings.Cut(plan.GetPolicy(), "@")
	certificate := Certificate{
		ID: certificateID(plan), Plan: plan.GetPlan(), PlanHash: hex.EncodeToString(plan.GetHash()), Cause: plan.GetCause(),
		Policy: Policy{Name: name, Digest: digest},
		Times:  times,
		Salt:   hex.EncodeToString(salt),
		Cell:   Cell{Kind: attested.GetCell(), Generation: attested.GetGeneration(), Limits: cellLimits},
		Issued: s.clock.Now(),
	}
	objects, versions, locked, uncounted := 0, 0, 0, 0
	for _, target := range plan.GetTargets() {
		report, stored := gone[target.GetObject()]
		line := Gone{Item: ItemDigest(salt, target.GetItem()), Layer: layerName(target.GetLayer()), Keys: "gone", Ciphertext: "inline"}
		if stored {
			objects++
			versions += report.Versions
			line.Ciphertext, line.Versions, line.Markers, line.Uploads = "gone", report.Versions, report.Markers, report.Uploads
			if !report.Gone {
				locked++
				line.Ciphertext = "locked"
				if !report.LockedUntil.IsZero() {
					line.LockedUntil = report.LockedUntil.UTC().Format(time.DateOnly)
				}
			} else if report.Versions == 0 {
				uncounted++
			}
		}
		certificate.Items = append(certificate.Items, line)
	}
	for _, bucket := range attested.GetGone() {
		certificate.Buckets = append(certificate.Buckets, Bucket{bucket.GetBucket(), bucket.GetGeneration(), bucket.GetTime().AsTime()})
	}
	counted := "removed"
	if uncounted > 0 {
		counted = fmt.Sprintf("removed as counted here; of %d objects nothing was left when they were first looked at here, and what was removed of them before is not in the count", uncounted)
	}
	certificate.Checks = []Check{
		{"buckets_forgotten", len(attested.GetGone()), "no keyring holds their keys"},
		{"objects_listed", objects - locked, "no version, marker or unfinished upload is left"},
		{"objects_locked", locked, "ciphertext is kept by the store's lock; its keys are gone"},
		{"versions_removed", versions, counted},
		{"read_models_scrubbed", len(plan.GetTargets()), "no cell of these layers is left"},
	}
	return Issue(certificate, s.key)
}

// cellLimits is what is known of the medium that must forget, for the certificate.
const cellLimits = "The root key is overwritten in place and synced. Flash media and copy-on-write file systems may keep the old block until they reuse it; " +
	"use an encrypted disk or an external key service where that matters."

func layerName(kind itemv1.LayerKind) string {
	return strings.ToLower(strings.TrimPrefix(kind.String(), "LAYER_KIND_"))
}
