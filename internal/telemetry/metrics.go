package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics of one node. Labels: origin is a log of this node's configuration, code
// a gRPC status.
type Metrics struct {
	// Published counts declarations appended, by origin.
	Published *prometheus.CounterVec
	// Refused counts publications refused, by origin and code.
	Refused *prometheus.CounterVec
	// PublishSeconds is the time from request to receipt, by origin.
	PublishSeconds *prometheus.HistogramVec
	// RPCs counts calls, by method and code.
	RPCs *prometheus.CounterVec
	// HTTPRequests counts requests of the public port, by surface and class of
	// status.
	HTTPRequests *prometheus.CounterVec

	registry *prometheus.Registry
}

// New makes a node's metrics in a registry of their own.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		Published: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cityproof_published_total", Help: "Declarations appended to the log.",
		}, []string{"origin"}),
		Refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cityproof_refused_total", Help: "Publications refused, by gRPC code.",
		}, []string{"origin", "code"}),
		PublishSeconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cityproof_publish_seconds", Help: "Time from request to receipt.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
		}, []string{"origin"}),
		RPCs: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cityproof_rpc_total", Help: "gRPC calls, by method and code.",
		}, []string{"method", "code"}),
		HTTPRequests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cityproof_http_requests_total", Help: "HTTP requests of the public port.",
		}, []string{"surface", "status"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "cityproof_build_info", Help: "Always 1; the label says which version runs.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(m.Published, m.Refused, m.PublishSeconds, m.RPCs, m.HTTPRequests, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// LogState is what a log says of itself when metrics are read.
type LogState struct {
	Size, PublishedSize uint64
	QueuedLeaves        int
	ReadOnly            bool
}

// WatchLog adds gauges of one log, computed when read.
func (m *Metrics) WatchLog(origin string, state func() LogState) {
	gauge := func(name, help string, value func(LogState) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: help, ConstLabels: prometheus.Labels{"origin": origin},
		}, func() float64 { return value(state()) }))
	}
	gauge("cityproof_log_size", "Leaves that are durable.", func(s LogState) float64 { return float64(s.Size) })
	gauge("cityproof_log_published_size", "Size of the newest published checkpoint.", func(s LogState) float64 { return float64(s.PublishedSize) })
	gauge("cityproof_log_queued_leaves", "Leaves that wait for the writer.", func(s LogState) float64 { return float64(s.QueuedLeaves) })
	gauge("cityproof_log_read_only", "1 if the log takes no declarations: a human must look.", func(s LogState) float64 {
		if s.ReadOnly {
			return 1
		}
		return 0
	})
}

// AllianceState is what a member says of its part in an alliance when metrics are read.
type AllianceState struct {
	RegistrySize, FinalSize, Anchored uint64 // Anchored is a Unix second; 0: not since the start
	Alarms, Evidence                  int
}

// WatchAlliance adds the gauges of one member's part in its alliance, computed when read.
func (m *Metrics) WatchAlliance(origin string, state func() AllianceState) {
	gauge := func(name, help string, value func(AllianceState) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: name, Help: help, ConstLabels: prometheus.Labels{"origin": origin},
		}, func() float64 { return value(state()) }))
	}
	gauge("cityproof_registry_size", "Entries of the registry that were replayed.", func(s AllianceState) float64 { return float64(s.RegistrySize) })
	gauge("cityproof_registry_alarms", "Entries of the registry that break a rule and have no effect: a human must look.", func(s AllianceState) float64 { return float64(s.Alarms) })
	gauge("cityproof_log_final_size", "Size of the newest head that committee and mirrors made final.", func(s AllianceState) float64 { return float64(s.FinalSize) })
	gauge("cityproof_log_anchored_timestamp_seconds", "When this node last wrote an anchor into its log; 0: not since it started. Others show the log in amber after 2 hours, in red after a day.", func(s AllianceState) float64 { return float64(s.Anchored) })
	gauge("cityproof_evidence", "Proofs of misbehaviour that are kept: a human must look.", func(s AllianceState) float64 { return float64(s.Evidence) })
}

// LogLag is how long a log has been silent.
type LogLag struct {
	Log     string  // origin, of the roster
	Seconds float64 // since its last anchor; +Inf: none was found
}

// WatchLags adds the lag of the member's own log and of those that it mirrors, computed when read. Only origins of the roster
// become labels.
func (m *Metrics) WatchLags(origin string, state func() []LogLag) {
	m.registry.MustRegister(&lags{
		desc: prometheus.NewDesc("cityproof_log_lag_seconds",
			"How long a log of the alliance has been silent, by the anchors in it: amber from 2 hours on, red from a day on; +Inf: no anchor was found.",
			[]string{"log"}, prometheus.Labels{"origin": origin}),
		state: state,
	})
}

// lags is a gauge for each log that there is when it is read.
type lags struct {
	desc  *prometheus.Desc
	state func() []LogLag
}

// Describe implements prometheus.Collector.
func (l *lags) Describe(ch chan<- *prometheus.Desc) { ch <- l.desc }

// Collect implements prometheus.Collector.
func (l *lags) Collect(ch chan<- prometheus.Metric) {
	for _, s := range l.state() {
		ch <- prometheus.MustNewConstMetric(l.desc, prometheus.GaugeValue, s.Seconds, s.Log)
	}
}

// MirrorState is what a member says of its copies of other logs when metrics are read.
type MirrorState struct {
	Disk, ScrubBytes, ScrubCycles, Found, Mended uint64
	Erased                                       uint64
	Damaged, Stopped, Challenges, Withheld       int
}

// WatchMirror adds the metrics of one member's copies of other logs, computed when read.
func (m *Metrics) WatchMirror(origin string, state func() MirrorState) {
	labels := prometheus.Labels{"origin": origin}
	counter := func(name, help string, value func(MirrorState) uint64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return float64(value(state())) }))
	}
	gauge := func(name, help string, value func(MirrorState) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return value(state()) }))
	}
	gauge("cityproof_mirror_disk_bytes", "What the copies of other logs take on the disk.", func(s MirrorState) float64 { return float64(s.Disk) })
	gauge("cityproof_mirror_challenges", "Logs that signed a head of which not all is handed out: see challenges in /api/v1/evidence.", func(s MirrorState) float64 { return float64(s.Challenges) })
	gauge("cityproof_mirror_withheld_logs", "Logs among them that have not answered for an hour, and are not cosigned until they do.", func(s MirrorState) float64 { return float64(s.Withheld) })
	counter("cityproof_mirror_erased_total", "Bodies that were erased in copies, by notices in their logs.", func(s MirrorState) uint64 { return s.Erased })
	gauge("cityproof_mirror_stopped_logs", "Logs that are not mirrored further, nor cosigned as a mirror, because of a bound of this node: see mirror in its configuration, and its log.", func(s MirrorState) float64 { return float64(s.Stopped) })
	counter("cityproof_mirror_scrub_bytes_total", "Bytes of copies that were read again and checked.", func(s MirrorState) uint64 { return s.ScrubBytes })
	counter("cityproof_mirror_scrub_cycles_total", "How often all copies have been checked.", func(s MirrorState) uint64 { return s.ScrubCycles })
	counter("cityproof_mirror_damages_found_total", "Damaged things found in copies, by the scrub or a reader.", func(s MirrorState) uint64 { return s.Found })
	counter("cityproof_mirror_damages_mended_total", "Damaged things in copies that were replaced by what others hold.", func(s MirrorState) uint64 { return s.Mended })
	gauge("cityproof_mirror_damages", "Things in copies that are damaged and could not be mended yet.", func(s MirrorState) float64 { return float64(s.Damaged) })
}

// ScrubState is what the scrub of a log says of itself when metrics are read.
type ScrubState struct {
	Bytes, Cycles, Complete uint64
	Damaged                 int
	Found                   uint64
}

// WatchScrub adds the metrics of one log's scrub, computed when read.
func (m *Metrics) WatchScrub(origin string, state func() ScrubState) {
	labels := prometheus.Labels{"origin": origin}
	counter := func(name, help string, value func(ScrubState) uint64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return float64(value(state())) }))
	}
	gauge := func(name, help string, value func(ScrubState) float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return value(state()) }))
	}
	counter("cityproof_scrub_bytes_total", "Stored bytes that were read again and checked.", func(s ScrubState) uint64 { return s.Bytes })
	counter("cityproof_scrub_cycles_total", "How often everything stored has been checked.", func(s ScrubState) uint64 { return s.Cycles })
	counter("cityproof_scrub_damages_found_total", "Damaged things found, by the scrub or a reader.", func(s ScrubState) uint64 { return s.Found })
	gauge("cityproof_scrub_last_complete_timestamp_seconds", "When everything stored had last been checked; 0: never.", func(s ScrubState) float64 { return float64(s.Complete) })
	gauge("cityproof_scrub_damages", "Stored things that are known to be damaged: a human must look.", func(s ScrubState) float64 { return float64(s.Damaged) })
}
