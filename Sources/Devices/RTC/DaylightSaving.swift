/// Summer time as register B's bit DSE has it (MC146818 data sheet): on the last Sunday of April 1:59:59 is followed by
/// 3:00:00, on the last Sunday of October the first 1:59:59 by 1:00:00. Which day is a Sunday says the register.
extension RTCCalendar {
  /// Months, and the first day that can be their last Sunday.
  private static let april = (month: 4, firstDay: 24)
  private static let october = (month: 10, firstDay: 25)
  /// 1:59:59.
  private static let changeTime = 7199

  private var savesDaylight: Bool { registers[RTCRegister.b] & RTCRegisterB.daylightSaving != 0 }

  /// Lets `seconds` seconds (at least 1) pass. True when one of them was the alarm's.
  mutating func tick(seconds: UInt64) -> Bool {
    guard savesDaylight else { return pass(seconds: seconds) }
    var left = seconds
    var rings = false
    while left > 0 {
      let ahead = UInt64(secondsToChange)
      let step = min(left, max(ahead, 1))
      let isChange = ahead == 0
      let rang = isChange ? change() : pass(seconds: step)
      rings = rings || rang
      left -= step
    }
    return rings
  }

  /// The second after 1:59:59 on a day of change.
  private mutating func change() -> Bool {
    if date.month == RTCCalendar.april.month {
      setTime(3 * 3600)
    } else if isHourRepeated {
      isHourRepeated = false
      return pass(seconds: 1)
    } else {
      isHourRepeated = true
      setTime(3600)
    }
    return self.rings
  }

  /// Seconds until it is 1:59:59 on a day of change.
  private var secondsToChange: Int {
    let (today, year) = (date, date.year)
    var nearest = Int.max
    for (year, season) in [
      (year, RTCCalendar.april), (year, RTCCalendar.october), (year + 1, RTCCalendar.april),
      (year + 1, RTCCalendar.october),
    ] {
      let first = CivilDate(year: year, month: season.month, day: season.firstDay)
      let days = first.daysSince1970 - today.daysSince1970
      // From that day on to the next Sunday.
      let weekdayThen = ((weekday - 1 + days) % 7 + 7) % 7
      let sunday = days + (7 - weekdayThen) % 7
      let seconds = sunday * Int(RTCCalendar.secondsInDay) + RTCCalendar.changeTime - secondOfDay
      if seconds >= 0 { nearest = min(nearest, seconds) }
    }
    return nearest
  }
}
