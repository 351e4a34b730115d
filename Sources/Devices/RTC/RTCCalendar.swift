/// The clock registers among the 128 bytes, in the format that register B asks for.
///
/// Guests may write anything into them: every function here gives some result for every content.
struct RTCCalendar {
  /// All 128 bytes.
  var registers: [UInt8]
  /// The hour that summer time repeats in October is running for the second time.
  var isHourRepeated = false

  static let secondsInDay: UInt64 = 86_400

  private var isBinary: Bool { registers[RTCRegister.b] & RTCRegisterB.binary != 0 }
  private var is24Hour: Bool { registers[RTCRegister.b] & RTCRegisterB.hours24 != 0 }

  private func decode(_ byte: UInt8) -> Int { isBinary ? Int(byte) : Int(byte >> 4) * 10 + Int(byte & 15) }

  private func encode(_ value: Int) -> UInt8 {
    let value = UInt8(truncatingIfNeeded: value % 100)
    return isBinary ? value : (value / 10) << 4 | value % 10
  }

  private func decode(hour byte: UInt8) -> Int {
    is24Hour ? decode(byte) : decode(byte & 0x7f) % 12 + (byte & 0x80 != 0 ? 12 : 0)
  }

  private func encode(hour: Int) -> UInt8 {
    if is24Hour { return encode(hour) }
    return encode(hour % 12 == 0 ? 12 : hour % 12) | (hour >= 12 ? 0x80 : 0)
  }

  /// Sets time and date from a Unix time.
  mutating func set(unixTime: UInt64) {
    let days = Int(unixTime / RTCCalendar.secondsInDay)
    setTime(Int(unixTime % RTCCalendar.secondsInDay))
    setDate(CivilDate(daysSince1970: days))
    registers[RTCRegister.weekday] = encode(CivilDate.weekday(daysSince1970: days))
  }

  mutating func setTime(_ secondOfDay: Int) {
    registers[RTCRegister.seconds] = encode(secondOfDay % 60)
    registers[RTCRegister.minutes] = encode(secondOfDay / 60 % 60)
    registers[RTCRegister.hours] = encode(hour: secondOfDay / 3600)
  }

  private mutating func setDate(_ date: CivilDate) {
    registers[RTCRegister.day] = encode(date.day)
    registers[RTCRegister.month] = encode(date.month)
    registers[RTCRegister.year] = encode(date.year)
    registers[RTCRegister.century] = encode(date.year / 100)
  }

  var secondOfDay: Int {
    decode(hour: registers[RTCRegister.hours]) * 3600 + decode(registers[RTCRegister.minutes]) * 60
      + decode(registers[RTCRegister.seconds])
  }

  /// 1 (Sunday) to 7, or what the guest has written.
  var weekday: Int { decode(registers[RTCRegister.weekday]) }

  var date: CivilDate {
    CivilDate(
      year: decode(registers[RTCRegister.century]) * 100 + decode(registers[RTCRegister.year]),
      month: decode(registers[RTCRegister.month]), day: decode(registers[RTCRegister.day]))
  }

  /// Lets `seconds` seconds (at least 1) of an even clock pass. True when one of them was the alarm's.
  mutating func pass(seconds: UInt64) -> Bool {
    let before = secondOfDay
    let day = Int(RTCCalendar.secondsInDay)
    let days = Int(seconds / RTCCalendar.secondsInDay)
    let after = before + Int(seconds % RTCCalendar.secondsInDay)
    setTime(after % day)
    let daysPassed = days + after / day
    if daysPassed > 0 {
      registers[RTCRegister.weekday] = encode((weekday + 6 + daysPassed) % 7 + 1)
      setDate(CivilDate(daysSince1970: date.daysSince1970 + daysPassed))
    }
    let alarm = Alarm(self)
    if days > 0 { return alarm.ringsEveryDay }
    return (1...Int(seconds)).contains { alarm.rings((before + $0) % day) }
  }

  /// The time is the alarm's.
  var rings: Bool { Alarm(self).rings(secondOfDay) }

  /// The alarm registers; a byte with both high bits set matches everything, one that is no time matches nothing.
  private struct Alarm {
    private enum Match {
      case any, none
      case exactly(Int)

      /// Some value below `limit` is accepted.
      func canMatch(below limit: Int) -> Bool {
        switch self {
        case .any: true
        case .none: false
        case .exactly(let wanted): wanted < limit
        }
      }

      func accepts(_ value: Int) -> Bool {
        switch self {
        case .any: true
        case .none: false
        case .exactly(let wanted): value == wanted
        }
      }
    }
    private var second: Match
    private var minute: Match
    private var hour: Match

    init(_ calendar: RTCCalendar) {
      func match(_ byte: UInt8, _ value: Int, _ back: UInt8) -> Match {
        byte >= 0xc0 ? .any : back == byte ? .exactly(value) : .none
      }
      let bytes = calendar.registers
      let values = [bytes[RTCRegister.secondsAlarm], bytes[RTCRegister.minutesAlarm]].map {
        match($0, calendar.decode($0), calendar.encode(calendar.decode($0)))
      }
      let hourByte = bytes[RTCRegister.hoursAlarm]
      let hourValue = calendar.decode(hour: hourByte)
      (second, minute) = (values[0], values[1])
      hour = match(hourByte, hourValue, calendar.encode(hour: hourValue))
    }

    var ringsEveryDay: Bool {
      second.canMatch(below: 60) && minute.canMatch(below: 60) && hour.canMatch(below: 24)
    }

    func rings(_ secondOfDay: Int) -> Bool {
      second.accepts(secondOfDay % 60) && minute.accepts(secondOfDay / 60 % 60) && hour.accepts(secondOfDay / 3600)
    }
  }
}
