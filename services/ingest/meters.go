package ingest

import (
	"github.com/prometheus/client_golang/prometheus"
)

// meters are what operators see of ingest. Labels are names out of the configuration.
type meters struct {
	mails   *prometheus.CounterVec
	bytes   *prometheus.CounterVec
	service *Service
}

var (
	place       = []string{"mailbox", "folder"}
	waitingDesc = prometheus.NewDesc("postern_ingest_waiting_mails", "Mails found on the server at the last look and not yet taken.", place, nil)
	troubleDesc = prometheus.NewDesc("postern_ingest_trouble_mails", "Mails that could not be taken so far and are tried again.", place, nil)
	successDesc = prometheus.NewDesc("postern_ingest_last_success_seconds", "When everything was last looked at, as Unix time; 0 for never.", place, nil)
	stateDesc   = prometheus.NewDesc("postern_ingest_state", "1 for the state that the folder is in.", append(place[:2:2], "state"), nil)
	checkDesc   = prometheus.NewDesc("postern_ingest_check_mails", "Mails at the last comparison of server and archive, by what became of them: server, archived, set_aside, in_flight, destroyed, missing, unknown, lost.", append(place[:2:2], "found"), nil)
	checkedDesc = prometheus.NewDesc("postern_ingest_check_last_seconds", "When server and archive were last compared, as Unix time.", place[:1], nil)
	brokenDesc  = prometheus.NewDesc("postern_ingest_broken", "1 while the folder cannot be read.", place, nil)
)

func newMeters(registry prometheus.Registerer, service *Service) (*meters, error) {
	m := &meters{
		mails: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_ingest_mails_total", Help: "Mails dealt with, by how it ended: taken, delayed, failed.",
		}, []string{"mailbox", "outcome"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "postern_ingest_bytes_total", Help: "Bytes of the mails taken.",
		}, []string{"mailbox"}),
		service: service,
	}
	if registry == nil {
		return m, nil
	}
	for _, each := range []prometheus.Collector{m.mails, m.bytes, m} {
		if err := registry.Register(each); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Describe is prometheus.Collector's.
func (m *meters) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{waitingDesc, troubleDesc, successDesc, brokenDesc, stateDesc, checkDesc, checkedDesc} {
		to <- desc
	}
}

// Collect is prometheus.Collector's.
func (m *meters) Collect(to chan<- prometheus.Metric) {
	for _, status := range m.service.Status() {
		gauge := func(desc *prometheus.Desc, value float64) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, status.Mailbox, status.Folder)
		}
		success, broken := 0.0, 0.0
		if !status.LastSuccess.IsZero() {
			success = float64(status.LastSuccess.Unix())
		}
		if status.LastError != nil {
			broken = 1
		}
		gauge(waitingDesc, float64(status.Waiting))
		gauge(troubleDesc, float64(status.Trouble))
		gauge(successDesc, success)
		gauge(brokenDesc, broken)
		to <- prometheus.MustNewConstMetric(stateDesc, prometheus.GaugeValue, 1, status.Mailbox, status.Folder, string(status.State))
	}
	for _, each := range m.service.mailboxes {
		check := each.board.checked()
		if check == nil {
			continue // it is not held here, or was never compared
		}
		to <- prometheus.MustNewConstMetric(checkedDesc, prometheus.GaugeValue, float64(check.GetTime().GetSeconds()), each.config.ID)
		for _, f := range check.GetFolders() {
			for found, n := range map[string]int64{
				"server": f.GetServer(), "archived": f.GetArchived(), "set_aside": f.GetSetAside(), "in_flight": f.GetInFlight(),
				"destroyed": f.GetDestroyed(), "missing": f.GetMissing(), "unknown": f.GetUnknown(), "lost": f.GetLost(),
			} {
				to <- prometheus.MustNewConstMetric(checkDesc, prometheus.GaugeValue, float64(n), each.config.ID, f.GetName(), found)
			}
		}
	}
}
