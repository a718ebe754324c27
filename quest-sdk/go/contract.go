package quest

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"time"

	"questhost/quest/internal/bindings/quest_host_clock"
	"questhost/quest/internal/bindings/quest_host_config"
	"questhost/quest/internal/bindings/quest_host_current"
	"questhost/quest/internal/bindings/quest_host_events"
	"questhost/quest/internal/bindings/quest_host_log"
	"questhost/quest/internal/bindings/quest_host_messages"
	"questhost/quest/internal/bindings/quest_host_patterns"
	"questhost/quest/internal/bindings/quest_host_quests"
	"questhost/quest/internal/bindings/quest_host_random"
	"questhost/quest/internal/bindings/quest_host_reply"
	"questhost/quest/internal/bindings/quest_host_timers"
	"questhost/quest/internal/bindings/quest_host_types"
	"questhost/quest/internal/bindings/quest_host_variables"
	"questhost/quest/internal/wit/runtime"
	wit "questhost/quest/internal/wit/types"
)

// Error is what the host refused, or what a quest failed with. An action that returns it ends as it.
type Error struct {
	// Code is for programs: docs/errors.md has the host's.
	Code string
	// Message is for people.
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Fail makes an error with a code of its own: `return quest.Fail("out-of-stock", "there is none left")`. Nothing of the action is kept.
func Fail(code, message string) error { return &Error{code, message} }

// Transient makes an error after which the action is tried again later.
func Transient(message string) error { return &Error{"transient", message} }

// What the host gives lies in its own memory (internal/wit/runtime) until the next call: each function here copies it.

func text(given string) string {
	defer runtime.Reset()
	return strings.Clone(given)
}

func texts(given []string) []string {
	defer runtime.Reset()
	copies := make([]string, len(given))
	for i, each := range given {
		copies[i] = strings.Clone(each)
	}
	return copies
}

func optional(given wit.Option[string]) (string, bool) { return text(given.SomeOr("")), given.IsSome() }

func refused(error quest_host_types.Error) error {
	defer runtime.Reset()
	return &Error{strings.Clone(error.Code), strings.Clone(error.Message)}
}

func done(result wit.Result[wit.Unit, quest_host_types.Error]) error {
	if result.IsErr() {
		return refused(result.Err())
	}
	return nil
}

func whether(result wit.Result[bool, quest_host_types.Error]) (bool, error) {
	if result.IsErr() {
		return false, refused(result.Err())
	}
	return result.Ok(), nil
}

// with gives a value to one of the contract's functions.
func with(value any, give func(quest_host_types.Value) wit.Result[wit.Unit, quest_host_types.Error]) error {
	lowered, err := lower(value)
	if err != nil {
		return err
	}
	return done(give(lowered))
}

// found puts a value into what `to` points to; false if there is none, and `to` is as it was.
func found(value wit.Option[quest_host_types.Value], to any, where string) (bool, error) {
	if value.IsNone() {
		return false, nil
	}
	return true, into(value.Some(), to, where)
}

func into(value quest_host_types.Value, to any, where string) error {
	target := reflect.ValueOf(to)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return Fail("wrong-type", fmt.Sprintf("%s is put where a pointer points to, and a %T is none", where, to))
	}
	lifted := lift(value)
	runtime.Reset()
	return assign(target.Elem(), lifted, where)
}

// The event in hand.

func QuestName() string     { return text(quest_host_current.Quest()) }
func ActionName() string    { return text(quest_host_current.Action()) }
func Context() string       { return text(quest_host_current.Context()) }
func Instance() string      { return text(quest_host_current.Instance()) }
func EventName() string     { return text(quest_host_current.EventName()) }
func EventID() string       { return text(quest_host_current.EventId()) }
func Cause() string         { return text(quest_host_current.Cause()) }
func AcceptedAt() time.Time { return time.UnixMilli(int64(quest_host_current.AcceptedAt())).UTC() }
func ProcessedAt() time.Time {
	return time.UnixMilli(int64(quest_host_current.ProcessedAt())).UTC()
}
func Attempt() int { return int(quest_host_current.Attempt()) }
func Missed() int  { return int(quest_host_current.Missed()) }

// Payload puts the event's payload into what `to` points to.
func Payload(to any) error { return into(quest_host_current.Payload(), to, "the payload") }

// Field puts one place of the payload, such as "/items/0/name", into what `to` points to; false if it is not there.
func Field(pointer string, to any) (bool, error) {
	return found(quest_host_current.Field(pointer), to, "the payload's "+pointer)
}

// Variables by name, beside those that are a quest's fields.

func Get(name string, to any) (bool, error) {
	return found(quest_host_variables.Get(name), to, "the variable "+name)
}
func Set(name string, value any) error {
	return with(value, func(v quest_host_types.Value) wit.Result[wit.Unit, quest_host_types.Error] {
		return quest_host_variables.Set(name, v)
	})
}
func Remove(name string) (bool, error) { return whether(quest_host_variables.Remove(name)) }
func Names() []string                  { return texts(quest_host_variables.Names()) }

// Timers. A time is a moment, whatever its zone.

func millis(at time.Time) uint64 {
	if at.UnixMilli() < 0 {
		return 0
	}
	return uint64(at.UnixMilli())
}

func TimerAt(name string, at time.Time, action string, payload any) error {
	return with(payload, func(v quest_host_types.Value) wit.Result[wit.Unit, quest_host_types.Error] {
		return quest_host_timers.At(name, action, millis(at), v)
	})
}

// TimerAfter counts from when the event was accepted: so a retry sets the same time.
func TimerAfter(name string, delay time.Duration, action string, payload any) error {
	return with(payload, func(v quest_host_types.Value) wit.Result[wit.Unit, quest_host_types.Error] {
		return quest_host_timers.After(name, action, uint64(max(delay, 0)/time.Millisecond), v)
	})
}
func TimerEvery(name, schedule, action string, payload any) error {
	return with(payload, func(v quest_host_types.Value) wit.Result[wit.Unit, quest_host_types.Error] {
		return quest_host_timers.Every(name, action, schedule, v)
	})
}
func TimerCancel(name string) (bool, error) { return whether(quest_host_timers.Cancel(name)) }
func TimerNames() []string                  { return texts(quest_host_timers.Names()) }
func TimerDue(name string) (time.Time, bool) {
	due := quest_host_timers.Due(name)
	if due.IsNone() {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(due.Some())).UTC(), true
}
func TimerPayload(name string, to any) (bool, error) {
	return found(quest_host_timers.Payload(name), to, "the payload of the timer "+name)
}
func TimerSchedule(name string) (string, bool) {
	return optional(quest_host_timers.Schedule(name))
}

// Patterns: docs/patterns.md.

func PatternStart(name string, spec any) error {
	return with(spec, func(v quest_host_types.Value) wit.Result[wit.Unit, quest_host_types.Error] {
		return quest_host_patterns.Start(name, v)
	})
}
func PatternCancel(name string) (bool, error) { return whether(quest_host_patterns.Cancel(name)) }
func PatternNames() []string                  { return texts(quest_host_patterns.Names()) }
func PatternState(name string, to any) (bool, error) {
	return found(quest_host_patterns.State(name), to, "the state of the pattern "+name)
}

// The wall clock of the context.

func Zone() string              { return text(quest_host_clock.Zone()) }
func SetZone(zone string) error { return done(quest_host_clock.SetZone(zone)) }

// Local tells a time as the context's wall clock shows it: "2026-03-28T09:00:00.000+01:00[Europe/Berlin]".
func Local(at time.Time) string { return text(quest_host_clock.Local(millis(at))) }

// Instant tells when the context's wall clock shows a civil time, such as "2026-03-28 09:00".
func Instant(civil string) (time.Time, error) {
	result := quest_host_clock.Instant(civil)
	if result.IsErr() {
		return time.Time{}, refused(result.Err())
	}
	return time.UnixMilli(int64(result.Ok())).UTC(), nil
}

// What an action causes, when it succeeds.

func Emit(context, event string, payload any) error {
	return with(payload, func(v quest_host_types.Value) wit.Result[wit.Unit, quest_host_types.Error] {
		return quest_host_events.Emit(context, event, v)
	})
}
func Send(context, quest, action string, payload any) error {
	return with(payload, func(v quest_host_types.Value) wit.Result[wit.Unit, quest_host_types.Error] {
		return quest_host_events.Send(context, quest, action, v)
	})
}
func Broadcast(event string, payload any) error {
	return with(payload, func(v quest_host_types.Value) wit.Result[wit.Unit, quest_host_types.Error] {
		return quest_host_events.Broadcast(event, v)
	})
}
func AddQuest(quest, context string) error    { return done(quest_host_quests.Add(quest, context)) }
func RemoveQuest(quest, context string) error { return done(quest_host_quests.Remove(quest, context)) }
func ActiveQuests() []string                  { return texts(quest_host_quests.Active()) }
func Publish(topic string, payload any) error {
	return with(payload, func(v quest_host_types.Value) wit.Result[wit.Unit, quest_host_types.Error] {
		return quest_host_messages.Publish(topic, v)
	})
}

// Reply sets the answer of a call or a query; what an action's function returns is one too.
func Reply(answer any) error { return with(answer, quest_host_reply.Set) }

// Config is a setting that the operator gave.
func Config(name string) (string, bool) {
	return optional(quest_host_config.Get(name))
}

// Lines for people. What is printed (`fmt.Println`, `log.Print`) goes to the same log.

func Debug(what ...any) { write(quest_host_log.Level_Debug, what) }
func Info(what ...any)  { write(quest_host_log.Level_Info, what) }
func Warn(what ...any)  { write(quest_host_log.Level_Warn, what) }
func Err(what ...any)   { write(quest_host_log.Level_Error, what) }

func write(level quest_host_log.Level, what []any) {
	line := fmt.Sprintln(what...)
	quest_host_log.Write(level, line[:len(line)-1])
}

// Random numbers: the same at each try. `math/rand` draws from the same seed.

func RandomBelow(bound uint32) uint32 { return quest_host_random.Below(bound) }
func RandomUnit() float64             { return quest_host_random.Unit() }
func RandomBytes(count uint32) []byte {
	defer runtime.Reset()
	return bytes.Clone(quest_host_random.Bytes(count))
}
