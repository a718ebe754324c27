# JSON, without a library.
module JSON
  class ParserError < StandardError; end
  ESC = {"\"" => "\\\"", "\\" => "\\\\", "\n" => "\\n", "\r" => "\\r", "\t" => "\\t"}
  def self.generate(v)
    case v
    when nil then "null"
    when true, false, Integer then v.to_s
    when Float
      raise ParserError, "#{v} is not JSON" if v.nan? || v.infinite?
      v.to_s
    when Hash then "{" + v.map { |k, x| generate(k.to_s) + ":" + generate(x) }.join(",") + "}"
    when Array then "[" + v.map { |x| generate(x) }.join(",") + "]"
    else
      "\"" + v.to_s.each_char.map { |c| ESC[c] || (c.ord < 32 ? "\\u%04x" % c.ord : c) }.join + "\""
    end
  end
  def self.parse(s, opts = {})
    Parser.new(s, opts[:symbolize_names]).top
  end
  class Parser
    def initialize(s, sym); @s = s.to_s; @i = 0; @sym = sym; @n = @s.bytesize; end
    def top
      v = value; ws
      bad unless @i >= @n
      v
    end
    def bad; raise ParserError, "unexpected text at byte #{@i} of the JSON"; end
    def ws
      while @i < @n
        b = @s.getbyte(@i)
        break unless b == 32 || b == 10 || b == 13 || b == 9
        @i += 1
      end
    end
    def lit(t, v); bad unless @s.byteslice(@i, t.size) == t; @i += t.size; v; end
    def value
      ws
      case @s.getbyte(@i)
      when 123
        h = {}; @i += 1; ws
        if @s.getbyte(@i) == 125 then @i += 1; return h end
        while true
          ws; k = string; ws
          bad unless @s.getbyte(@i) == 58
          @i += 1
          h[@sym ? k.to_sym : k] = value; ws
          c = @s.getbyte(@i); @i += 1
          return h if c == 125
          bad unless c == 44
        end
      when 91
        a = []; @i += 1; ws
        if @s.getbyte(@i) == 93 then @i += 1; return a end
        while true
          a << value; ws
          c = @s.getbyte(@i); @i += 1
          return a if c == 93
          bad unless c == 44
        end
      when 34 then string
      when 116 then lit("true", true)
      when 102 then lit("false", false)
      when 110 then lit("null", nil)
      else number
      end
    end
    def number
      j = @i; f = false
      while j < @n
        b = @s.getbyte(j)
        if b == 46 || b == 101 || b == 69 then f = true
        elsif !((b >= 48 && b <= 57) || b == 45 || b == 43) then break end
        j += 1
      end
      bad if j == @i
      t = @s.byteslice(@i, j - @i); @i = j
      f ? t.to_f : t.to_i
    end
    def string
      bad unless @s.getbyte(@i) == 34
      @i += 1; out = ""
      while true
        j = @i
        while j < @n && (b = @s.getbyte(j)) != 34 && b != 92; j += 1; end
        bad if j >= @n
        out << @s.byteslice(@i, j - @i) if j > @i
        @i = j + 1
        return out if b == 34
        c = @s.getbyte(@i); @i += 1
        case c
        when 110 then out << "\n"
        when 116 then out << "\t"
        when 114 then out << "\r"
        when 98 then out << "\b"
        when 102 then out << "\f"
        when 117
          u = @s.byteslice(@i, 4).to_i(16); @i += 4
          if u >= 0xd800 && u < 0xdc00 && @s.byteslice(@i, 2) == "\\u"
            u = 0x10000 + ((u - 0xd800) << 10) + (@s.byteslice(@i + 2, 4).to_i(16) - 0xdc00); @i += 6
          end
          out << u.chr("UTF-8")
        else out << c.chr end
      end
    end
  end
end
class Object; def to_json(*) JSON.generate(self) end; end
